//! External programs: what they get, what they say, how they end.

use std::process::Stdio;
use std::time::{Duration, Instant};

use acl_host::error::chain;
use acl_host::tool::{Tool, Tools};
use acl_host::{Error, Who};

fn sh(script: &str) -> acl_host::tool::ToolCommand {
    Tools::host().command(Tool::Shell).args(["-c", script])
}

#[test]
fn output_input_environment_and_directory() {
    assert_eq!(sh("echo out; echo err >&2").run().unwrap(), b"out\n");
    assert_eq!(sh("cat").run().unwrap(), b"");
    let temp = tempfile::tempdir().unwrap();
    let said = sh("cat; pwd -P; echo $X")
        .input("in ")
        .env("X", "y")
        .current_dir(temp.path());
    let expected = format!("in {}\ny\n", temp.path().canonicalize().unwrap().display());
    assert_eq!(String::from_utf8(said.run().unwrap()).unwrap(), expected);
    let home = sh("echo ${HOME-none}").clean_env().run().unwrap();
    assert_eq!(home, b"none\n");
}

#[test]
fn variables_of_the_caller_are_left_out_by_their_start() {
    let printed = sh("echo ${CARGO_PKG_NAME-none} ${CARGO_MANIFEST_DIR+there}")
        .without_env(&["CARGO_PKG_"])
        .run()
        .unwrap();
    assert_eq!(printed, b"none there\n");
}

#[test]
fn words_start_the_same_program() {
    let words = sh("echo $0").arg("x").words().unwrap();
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let [shell, rest @ ..] = &words[..] else {
        panic!("no words");
    };
    assert!(shell.ends_with("/sh"), "{shell}");
    assert_eq!(rest, ["-c", "echo $0", "x"]);
}

#[test]
fn more_input_and_output_than_a_pipe_holds() {
    let input = vec![b'x'; 3 << 20];
    assert!(sh("cat").input(input.clone()).run().unwrap() == input);
    assert_eq!(sh("exit 0").input(input).run().unwrap(), b"");
    let loud = sh("head -c 1000000 /dev/zero >&2; echo done")
        .run()
        .unwrap();
    assert_eq!(loud, b"done\n");
}

#[test]
fn output_to_a_file() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("log");
    let log = std::fs::File::create(&path).unwrap();
    assert_eq!(sh("echo hello").stdout(log).run().unwrap(), b"");
    assert_eq!(std::fs::read(&path).unwrap(), b"hello\n");
}

#[test]
fn a_failure_carries_the_status_and_the_end_of_stderr() {
    let error = sh("seq 5000 >&2; echo this is why >&2; exit 3")
        .run()
        .unwrap_err();
    let text = chain(&error);
    assert!(text.starts_with("sh failed (exit status: 3): "), "{text}");
    assert!(text.ends_with("\n4999\n5000\nthis is why"), "{text}");
    assert!(text.len() < 2100, "{}", text.len());
    assert_eq!(
        chain(&sh("exit 7").run().unwrap_err()),
        "sh failed (exit status: 7) and said nothing"
    );
    assert_eq!(
        chain(&sh("kill -9 $$").run().unwrap_err()),
        "sh failed (signal: 9 (SIGKILL)) and said nothing"
    );
}

#[test]
fn a_missing_program_is_told_with_its_package() {
    let error = Tools::host()
        .command(Tool::Operator("/nowhere/check".into()))
        .run()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no program /nowhere/check: correct its path"
    );
    assert_eq!(error.who(), Who::Operator);
    let temp = tempfile::tempdir().unwrap();
    let tree = Tools::tree(temp.path());
    let error = tree.require(&Tool::MkfsErofs).unwrap_err();
    let expected = format!(
        "{}/usr/bin/mkfs.erofs is missing from the tools tree: its recipe lacks the package erofs-utils",
        temp.path().display()
    );
    assert_eq!(error.to_string(), expected);
    tree.require(&Tool::Shell).unwrap();
}

/// A link that leads to itself stands for every path that cannot be looked at: it does so for root, too.
#[test]
fn a_program_that_cannot_be_looked_at_is_not_taken_for_none() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("check");
    std::os::unix::fs::symlink("check", &path).unwrap();
    for tool in [Tool::Operator(path.clone()), Tool::Own(path.clone())] {
        let error = Tools::host().command(tool).run().unwrap_err();
        let expected = format!(
            "cannot start {}: Too many levels of symbolic links (os error 40)",
            path.display()
        );
        assert_eq!(chain(&error), expected);
    }
}

#[test]
fn a_program_that_cannot_be_started() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("check");
    std::fs::write(&path, "no program").unwrap();
    let error = Tools::host()
        .command(Tool::Operator(path.clone()))
        .run()
        .unwrap_err();
    let expected = format!(
        "cannot start {}: Permission denied (os error 13)",
        path.display()
    );
    assert_eq!(chain(&error), expected);
    assert_eq!(error.who(), Who::Operator);
    let error = sh("true").current_dir("/nowhere").run().unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot start sh: No such file or directory (os error 2)"
    );
}

#[test]
fn a_limit_kills_the_program_and_its_children() {
    // Without SIGKILL to the group, each of these would hold the pipe for a minute.
    for script in [
        "echo begun >&2; sleep 60",
        "echo begun >&2; sleep 60 & wait",
        "echo begun >&2; trap '' TERM; while :; do echo spam; done",
    ] {
        let before = Instant::now();
        let (mut limit, mut begun) = (Duration::from_millis(200), false);
        while !begun {
            let error = sh(script).limit(limit).run().unwrap_err().to_string();
            begun = error.ends_with(": begun");
            // On a busy machine it has not said anything by then.
            let end = if begun {
                ": begun"
            } else {
                " and said nothing"
            };
            let seconds = limit.as_secs_f32();
            let expected = format!("sh did not end within {seconds} s and was killed{end}");
            assert_eq!(error, expected);
            limit *= 2;
        }
        assert!(before.elapsed() < Duration::from_secs(50));
    }
    assert_eq!(
        sh("echo quick")
            .limit(Duration::from_secs(60))
            .run()
            .unwrap(),
        b"quick\n"
    );
}

#[test]
fn a_limit_kills_what_the_program_started() {
    use std::io::Read;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let before = Instant::now();
    let hung = sh("sleep 60 & wait").stdout(writer);
    hung.limit(Duration::from_millis(200)).run().unwrap_err();
    // The last holder of the other end is the child's child: the pipe ends with it.
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_child_left_behind_is_not_waited_for() {
    let before = Instant::now();
    assert_eq!(
        sh("sleep 60 & echo gone")
            .limit(Duration::from_secs(60))
            .run()
            .unwrap(),
        b"gone\n"
    );
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_server_is_killed_with_its_value() {
    use std::io::{BufRead, BufReader, Read};
    let mut running = sh("echo ready; exec sleep 60")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(running.take_stdout().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    assert_eq!(running.try_wait().unwrap(), None);
    assert_eq!(running.wait(Duration::ZERO).unwrap(), None);
    let before = Instant::now();
    drop(running);
    // Its end of the pipe is closed only when it is dead.
    assert_eq!(stdout.read_to_string(&mut line).unwrap(), 0);
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_server_is_asked_to_end() {
    use std::os::unix::process::ExitStatusExt;
    let mut running = sh("exec sleep 60").spawn().unwrap();
    running.terminate().unwrap();
    let status = running.wait(Duration::from_secs(20)).unwrap().unwrap();
    assert_eq!(status.signal(), Some(15));
    running.terminate().unwrap();
    assert!(matches!(
        Tools::host()
            .command(Tool::Operator("/nowhere".into()))
            .spawn(),
        Err(Error::FindOperatorProgram { .. })
    ));
}

/// Whatever a program writes to standard error, only its end is kept in memory.
#[test]
fn endless_errors_take_no_memory() {
    let before = most_memory();
    let error =
        sh("head -c 800000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the end >&2; exit 3")
            .run()
            .unwrap_err();
    let Error::RunTool { stderr, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(stderr, "the end");
    let grown = most_memory().saturating_sub(before);
    // Other tests run in this process, too.
    assert!(grown < 400 * 1024, "{grown} KiB");
}

/// The most memory that this process has had, in KiB (proc_pid_status(5)).
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let digits: String = line.unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
