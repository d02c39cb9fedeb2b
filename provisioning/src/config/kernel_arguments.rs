//! Kernel arguments that a config wants, against the command line that the machine runs with.
//!
//! The command line is part of the signed UKI: nothing here changes it. A config that wants what is there already is
//! satisfied; another one fails before a disk is touched.

use super::spec::{Config, KernelArguments};

/// What the running command line does not satisfy: for each argument where it stands, and what is wrong.
///
/// An argument may be several words, which then stand together in that order (Ignition spec, `kernelArguments`).
pub fn unmet(config: &Config, running: &str) -> Vec<String> {
    let running: Vec<&str> = running.split_ascii_whitespace().collect();
    let KernelArguments {
        should_exist,
        should_not_exist,
    } = config.kernel_arguments.clone().unwrap_or_default();
    let lists = [
        ("shouldExist", true, should_exist),
        ("shouldNotExist", false, should_not_exist),
    ];
    let mut unmet = Vec::new();
    for (name, wanted, list) in lists {
        for (index, argument) in list.unwrap_or_default().iter().enumerate() {
            if has(&running, argument) != wanted {
                let found = if wanted { "lacks" } else { "has" };
                unmet.push(format!(
                    "$.kernelArguments.{name}.{index}: the kernel command line {found} {argument:?}, and it cannot be \
                     changed, as part of the signed UKI; build an image whose recipe says it otherwise"
                ));
            }
        }
    }
    unmet
}

/// Whether the words of an argument stand together in the command line. One without words is always there.
fn has(running: &[&str], argument: &str) -> bool {
    let words: Vec<&str> = argument.split_ascii_whitespace().collect();
    words.is_empty() || running.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::unmet;
    use crate::config::parse;

    #[test]
    fn what_the_command_line_does_not_satisfy() {
        let running = "root=/dev/sda quiet console=ttyS0 a b\n";
        for (arguments, expected) in [
            (r#"{}"#, &[][..]),
            (
                r#"{"shouldExist": ["quiet", "a b"], "shouldNotExist": ["flatcar.autologin", "b a", "consol"]}"#,
                &[],
            ),
            (
                r#"{"shouldExist": ["quiet", "b a"], "shouldNotExist": ["console=ttyS0"]}"#,
                &[
                    "$.kernelArguments.shouldExist.1: the kernel command line lacks \"b a\", and it cannot be changed, \
                     as part of the signed UKI; build an image whose recipe says it otherwise",
                    "$.kernelArguments.shouldNotExist.0: the kernel command line has \"console=ttyS0\", and it cannot \
                     be changed, as part of the signed UKI; build an image whose recipe says it otherwise",
                ],
            ),
        ] {
            let text = format!(
                r#"{{"ignition": {{"version": "3.4.0"}}, "kernelArguments": {arguments}}}"#
            );
            let config = parse(text.as_bytes()).config.unwrap();
            assert_eq!(unmet(&config, running), expected, "{arguments}");
        }
    }
}
