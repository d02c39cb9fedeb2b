# The far end of shell.rs, on the machine: runs what comes in on the serial port, one command a line.
stty raw -echo
printf 'acl-shell ready %s\n' "$(cat /proc/sys/kernel/random/boot_id)"
while read -r id command; do
    printf 'acl-shell begin %s\n' "$id"
    (eval "$(printf %s "$command" | base64 -d)") </dev/null 2>&1
    printf '\nacl-shell end %s %s\n' "$id" "$?"
done
