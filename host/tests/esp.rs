//! Boot entries on a directory that stands for the ESP.

use std::fs::{create_dir_all, write};
use std::io::{self, Cursor, Read};

use acl_host::error::chain;
use acl_host::esp::Esp;
use acl_host::{Error, Who};

struct Fixture {
    esp: Esp,
    temp: tempfile::TempDir,
}

impl Fixture {
    fn new(entries: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let esp = Esp::at(temp.path());
        create_dir_all(esp.entries_directory()).unwrap();
        for entry in entries {
            write(esp.entries_directory().join(entry), entry).unwrap();
        }
        Self { esp, temp }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.esp.entries_directory())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn content(&self, name: &str) -> String {
        std::fs::read_to_string(self.esp.entries_directory().join(name)).unwrap()
    }

    fn arm(&self, version: &str, image: &str) -> acl_host::Result<String> {
        let size = image.len() as u64;
        let written = self.esp.write(version, &mut image.as_bytes(), size, 3)?;
        Ok(self.esp.arm(written)?.to_string())
    }

    fn text(&self, error: &Error) -> String {
        chain(error).replace(&self.temp.path().display().to_string(), "ESP")
    }
}

#[test]
fn arming_gives_the_name_after_the_last_byte() {
    let fixture = Fixture::new(&["acl_1.efi"]);
    assert_eq!(fixture.arm("2", "kernel").unwrap(), "acl_2+3.efi");
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_2+3.efi"]);
    assert_eq!(fixture.content("acl_2+3.efi"), "kernel");
    let entries: Vec<String> = fixture
        .esp
        .entries()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(entries, ["acl_1.efi", "acl_2+3.efi"]);
}

#[test]
fn arming_again_replaces_every_older_entry_of_the_version() {
    let fixture = Fixture::new(&[
        "acl_1.efi",
        "acl_2+0-3.efi",
        "acl_2.efi",
        "acl_2+3.efi",
        "acl_22.efi",
    ]);
    assert_eq!(fixture.arm("2", "new").unwrap(), "acl_2+3.efi");
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_2+3.efi", "acl_22.efi"]);
    assert_eq!(fixture.content("acl_2+3.efi"), "new");
}

/// An image that fails after its bytes: what a reader that checks a digest does.
struct Lying(Cursor<Vec<u8>>);

impl Read for Lying {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the digest is wrong")),
            length => Ok(length),
        }
    }
}

#[test]
fn an_image_that_is_not_what_was_promised_gets_no_name() {
    let fixture = Fixture::new(&["acl_1.efi", "acl_2+1-2.efi"]);
    let mut lying = Lying(Cursor::new(b"evil".to_vec()));
    let error = fixture.esp.write("2", &mut lying, 4, 3).unwrap_err();
    assert_eq!(
        fixture.text(&error),
        "cannot write ESP/EFI/Linux/.acl_2+3.efi.new: the digest is wrong"
    );
    for (size, found) in [(5, 4), (3, 4)] {
        let error = fixture
            .esp
            .write("2", &mut b"evil".as_slice(), size, 3)
            .unwrap_err();
        assert_eq!(
            fixture.text(&error),
            format!("the kernel image for 2 ended after {found} bytes of {size}")
        );
        assert_eq!(error.who(), Who::Server);
    }
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_2+1-2.efi"]);
}

/// An image that looks at the directory when its last byte is asked for: what a power cut would leave there.
struct Watching<'a> {
    fixture: &'a Fixture,
    image: &'static [u8],
    seen: Vec<String>,
}

impl Read for Watching<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.seen = self.fixture.names();
        self.image.read(&mut buffer[..1])
    }
}

#[test]
fn until_the_last_byte_is_there_the_entries_are_as_they_were() {
    let fixture = Fixture::new(&["acl_1.efi", "acl_2+0-3.efi"]);
    let mut image = Watching {
        fixture: &fixture,
        image: b"kernel",
        seen: Vec::new(),
    };
    let written = fixture.esp.write("2", &mut image, 6, 3).unwrap();
    fixture.esp.arm(written).unwrap();
    assert_eq!(
        image.seen,
        [".acl_2+3.efi.new", "acl_1.efi", "acl_2+0-3.efi"]
    );
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_2+3.efi"]);
}

#[test]
fn what_is_written_is_no_entry_until_it_is_armed() {
    let fixture = Fixture::new(&["acl_1.efi", "acl_2+0-3.efi"]);
    let write = |image: &str| {
        let size = image.len() as u64;
        fixture.esp.write("2", &mut image.as_bytes(), size, 3)
    };
    write("of an earlier try").unwrap();
    let written = write("kernel").unwrap();
    assert_eq!(written.version(), "2");
    let names = [".acl_2+3.efi.new", "acl_1.efi", "acl_2+0-3.efi"];
    assert_eq!(fixture.names(), names);
    assert_eq!(fixture.esp.unarmed().unwrap(), 6);
    let entry = fixture.esp.arm(written.clone()).unwrap();
    assert_eq!(entry.to_string(), "acl_2+3.efi");
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_2+3.efi"]);
    assert_eq!(fixture.content("acl_2+3.efi"), "kernel");
    assert_eq!(fixture.esp.unarmed().unwrap(), 0);
    // Nothing is there any more that could be armed.
    let error = fixture.esp.arm(written).unwrap_err();
    assert_eq!(
        fixture.text(&error),
        "cannot rename ESP/EFI/Linux/.acl_2+3.efi.new to ESP/EFI/Linux/acl_2+3.efi: No such file or directory (os error 2)"
    );
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_2+3.efi"]);
}

#[test]
fn a_full_esp_is_seen_before_anything_is_changed() {
    let fixture = Fixture::new(&["acl_1.efi", "acl_2+0-3.efi"]);
    let free = fixture.esp.free().unwrap();
    assert!(free > 0);
    let mut never = Lying(Cursor::new(vec![]));
    let error = fixture.esp.write("2", &mut never, 1 << 60, 3).unwrap_err();
    assert!(matches!(error, Error::EspFull { needed, .. } if needed == (1 << 60) + 65536));
    let text = fixture.text(&error);
    assert!(
        text.starts_with(
            "the EFI system partition at ESP is full: 1152921504606912512 bytes are needed and "
        ),
        "{text}"
    );
    assert!(
        text.ends_with(" are free; remove files that are not ACL's from it"),
        "{text}"
    );
    assert_eq!(error.who(), Who::Environment);
    let error = fixture.esp.require_space(u64::MAX).unwrap_err();
    assert!(matches!(
        error,
        Error::EspFull {
            needed: u64::MAX,
            ..
        }
    ));
    fixture.esp.require_space(1).unwrap();
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_2+0-3.efi"]);
}

#[test]
fn what_an_interrupted_arming_left_goes_away() {
    let fixture = Fixture::new(&[
        "acl_1.efi",
        ".acl_2+3.efi.new",
        ".acl_7+3.efi.new",
        ".other.new",
    ]);
    fixture.arm("2", "new").unwrap();
    assert_eq!(fixture.names(), [".other.new", "acl_1.efi", "acl_2+3.efi"]);
}

#[test]
fn a_version_cannot_name_another_file() {
    let fixture = Fixture::new(&["acl_1.efi"]);
    let error = fixture.arm("../../x", "new").unwrap_err();
    assert_eq!(
        fixture.text(&error),
        "\"../../x\" cannot be part of the name of a boot entry"
    );
    assert_eq!(fixture.names(), ["acl_1.efi"]);
}

#[test]
fn disarming_removes_every_entry_of_the_version() {
    let fixture = Fixture::new(&[
        "acl_1.efi",
        "acl_2+1-2.efi",
        "acl_2.efi",
        "acl_22.efi",
        "other.efi",
    ]);
    fixture.esp.disarm("2").unwrap();
    fixture.esp.disarm("2").unwrap();
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_22.efi", "other.efi"]);
}

#[test]
fn marking_bad_keeps_what_was_done() {
    let fixture = Fixture::new(&["acl_1.efi", "acl_2+1-2.efi"]);
    assert_eq!(
        fixture.esp.mark_bad("2").unwrap().to_string(),
        "acl_2+0-2.efi"
    );
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_2+0-2.efi"]);
    assert_eq!(fixture.content("acl_2+0-2.efi"), "acl_2+1-2.efi");
    assert_eq!(
        fixture.esp.mark_bad("2").unwrap().to_string(),
        "acl_2+0-2.efi"
    );
    let fixture = Fixture::new(&["acl_1.efi", "acl_2.efi"]);
    assert_eq!(
        fixture.esp.mark_bad("2").unwrap().to_string(),
        "acl_2+0.efi"
    );
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_2+0.efi"]);
}

#[test]
fn the_last_entry_that_works_stays() {
    for entries in [&["acl_1.efi"] as &[&str], &["acl_1.efi", "acl_2+0-3.efi"]] {
        let fixture = Fixture::new(entries);
        let expected = "1 has the only boot entry in ESP/EFI/Linux that works: without it the machine would not boot";
        assert_eq!(
            fixture.text(&fixture.esp.disarm("1").unwrap_err()),
            expected
        );
        assert_eq!(
            fixture.text(&fixture.esp.mark_bad("1").unwrap_err()),
            expected
        );
        assert_eq!(fixture.names(), entries);
    }
}

#[test]
fn a_failed_entry_goes_away_even_beside_nothing_better() {
    let fixture = Fixture::new(&["acl_1+0-3.efi", "acl_2+0-3.efi"]);
    fixture.esp.disarm("2").unwrap();
    assert_eq!(fixture.names(), ["acl_1+0-3.efi"]);
    assert_eq!(
        fixture.text(&fixture.esp.mark_bad("9").unwrap_err()),
        "there is no boot entry for 9 in ESP/EFI/Linux"
    );
}

#[test]
fn the_esp_of_a_machine() {
    let root = tempfile::tempdir().unwrap();
    let error = Esp::find(root.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no EFI system partition is mounted at /efi or /boot"
    );
    create_dir_all(root.path().join("efi")).unwrap();
    create_dir_all(root.path().join("boot/EFI/Linux")).unwrap();
    assert_eq!(
        Esp::find(root.path()).unwrap(),
        Esp::at(root.path().join("boot"))
    );
    create_dir_all(root.path().join("efi/EFI/Linux")).unwrap();
    assert_eq!(
        Esp::find(root.path()).unwrap(),
        Esp::at(root.path().join("efi"))
    );
}

/// A link that leads to itself stands for everything that keeps the kernel from telling: it does so for root, too.
#[test]
fn an_esp_that_cannot_be_looked_at_is_not_taken_for_none() {
    let root = tempfile::tempdir().unwrap();
    create_dir_all(root.path().join("boot/EFI/Linux")).unwrap();
    std::os::unix::fs::symlink("efi", root.path().join("efi")).unwrap();
    let error = Esp::find(root.path()).unwrap_err();
    let shown = chain(&error).replace(&root.path().display().to_string(), "ROOT");
    assert_eq!(
        shown,
        "cannot read ROOT/efi/EFI/Linux: Too many levels of symbolic links (os error 40)"
    );
    assert_eq!(error.who(), Who::Environment);
}

/// What a rename on FAT leaves that was cut: the loader passes over it.
#[test]
fn an_empty_file_is_an_entry_only_when_it_failed() {
    let fixture = Fixture::new(&["acl_1.efi"]);
    for empty in ["acl_2.efi", "acl_3+3.efi", "acl_4+0-3.efi"] {
        write(fixture.esp.entries_directory().join(empty), "").unwrap();
    }
    let entries = fixture.esp.entries().unwrap();
    let names: Vec<_> = entries.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["acl_1.efi", "acl_4+0-3.efi"]);
    fixture.arm("5", "five").unwrap();
    assert_eq!(fixture.names(), ["acl_1.efi", "acl_5+3.efi"]);
}
