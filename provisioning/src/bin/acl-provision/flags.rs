//! Ignition's flags, which begin with one dash.

use std::ffi::OsString;

/// Those that a unit written for Ignition may give.
const FLAGS: [&str; 9] = [
    "config-cache",
    "fetch-timeout",
    "log-to-stdout",
    "neednet",
    "platform",
    "root",
    "stage",
    "state-file",
    "version",
];

/// Makes `--stage` of `-stage`; everything else stays.
pub(super) fn as_clap_has_them(
    arguments: impl IntoIterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    arguments.into_iter().map(|argument| {
        let flag = argument.to_str().and_then(|text| text.strip_prefix('-'));
        let name = flag.map(|flag| flag.split('=').next().unwrap_or(flag));
        match name.is_some_and(|name| FLAGS.contains(&name)) {
            true => OsString::from(format!("-{}", argument.to_string_lossy())),
            false => argument,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::as_clap_has_them;

    #[test]
    fn one_dash_is_two() {
        let given = [
            "-stage",
            "files",
            "-root=/sysroot",
            "--platform=qemu",
            "-x",
            "-",
            "a-stage",
        ];
        let had: Vec<_> = as_clap_has_them(given.map(Into::into)).collect();
        let expected = [
            "--stage",
            "files",
            "--root=/sysroot",
            "--platform=qemu",
            "-x",
            "-",
            "a-stage",
        ];
        assert_eq!(had, expected);
    }
}
