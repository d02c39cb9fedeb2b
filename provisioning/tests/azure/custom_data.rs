//! Custom data on the medium.

use acl_provision::platform::azure::custom_data;
use tempfile::TempDir;

use super::ovf::ovf;
use crate::platform::{told, write};

/// The config, and in which file it was; or what is wrong.
fn read(files: &[(&str, &str)]) -> Result<(Option<String>, String), String> {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        write(dir.path().join(name), text);
    }
    let found = told(&dir, custom_data::read(dir.path(), "/dev/sr0"))?;
    let config = found.config.map(|bytes| String::from_utf8(bytes).unwrap());
    Ok((config, found.place))
}

const GOOD: &str = "<CustomData>Y3Vz\n  dG9t</CustomData>";
const BLANK: &str = "<CustomData> \n </CustomData>";
const WRONG: &str = "<CustomData>%%</CustomData>";

/// What is in `ovf-env.xml`, and in `CustomData.bin`; the config, and where it was.
type Case = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
);

const IN_DOCUMENT: &str = "CustomData in ovf-env.xml of /dev/sr0";
const IN_FILE: &str = "CustomData.bin of /dev/sr0";
const NOWHERE: &str = "custom data of /dev/sr0";

const CASES: &[Case] = &[
    (GOOD, None, Some("custom"), IN_DOCUMENT),
    (GOOD, Some("bin"), Some("custom"), IN_DOCUMENT),
    ("", Some("bin"), Some("bin"), IN_FILE),
    // Whatever it looks like, Azure has decoded it.
    ("", Some("Y3VzdG9t"), Some("Y3VzdG9t"), IN_FILE),
    (BLANK, Some("bin"), Some("bin"), IN_FILE),
    (WRONG, Some("bin"), Some("bin"), IN_FILE),
    // No XML any more.
    ("<", Some("bin"), Some("bin"), IN_FILE),
    ("", None, None, NOWHERE),
    (BLANK, None, None, NOWHERE),
    ("", Some(""), None, NOWHERE),
];

#[test]
fn custom_data_is_read_as_ignition_reads_it() {
    for (inner, bin, config, place) in CASES {
        let document = ovf(inner);
        let files = [("ovf-env.xml", document.as_str())]
            .into_iter()
            .chain(bin.map(|text| ("CustomData.bin", text)));
        let expected = Ok((config.map(str::to_owned), (*place).to_owned()));
        assert_eq!(
            read(&files.collect::<Vec<_>>()),
            expected,
            "{inner} {bin:?}"
        );
    }
}

#[test]
fn custom_data_that_nobody_can_read_is_an_error() {
    let wrong = ovf("<CustomData>%%</CustomData>");
    assert_eq!(
        read(&[("ovf-env.xml", &wrong)]),
        Err(
            "CustomData in ovf-env.xml of /dev/sr0 is not base64: Invalid symbol 37, offset 0."
                .to_owned()
        )
    );
    assert_eq!(
        read(&[("ovf-env.xml", "")]),
        Err("ovf-env.xml of /dev/sr0 cannot be understood: it has no element".to_owned())
    );
    assert_eq!(
        read(&[("ovf-env.xml", &wrong), ("CustomData.bin", "")]),
        read(&[("ovf-env.xml", &wrong)])
    );
}

#[test]
fn the_medium_does_not_lead_outside_nor_fill_the_memory() {
    let dir = TempDir::new().unwrap();
    let read = || told(&dir, custom_data::read(dir.path(), "/dev/sr0"));
    write(dir.path().join("ovf-env.xml"), ovf(""));
    let bin = dir.path().join("CustomData.bin");
    std::os::unix::fs::symlink("/etc/hostname", &bin).unwrap();
    let link = "cannot read DIR/CustomData.bin: Too many levels of symbolic links (os error 40)";
    assert_eq!(read(), Err(link.to_owned()));
    std::fs::remove_file(&bin).unwrap();
    std::fs::create_dir(&bin).unwrap();
    let directory = "cannot read DIR/CustomData.bin: not a regular file";
    assert_eq!(read(), Err(directory.to_owned()));
    std::fs::remove_dir(&bin).unwrap();
    write(&bin, vec![b'x'; (4 << 20) + 1]);
    let long = "DIR/CustomData.bin is longer than 4194304 bytes";
    assert_eq!(read(), Err(long.to_owned()));
    write(&bin, vec![b'x'; 4 << 20]);
    assert_eq!(read().unwrap().config, Some(vec![b'x'; 4 << 20]));
}
