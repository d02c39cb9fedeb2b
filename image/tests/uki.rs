use acl_image::pe::{Image, PeError};
use acl_image::step::uki::{self, Sections};

use crate::program::program;

const OSREL: &[u8] = b"ID=acl\nIMAGE_VERSION=1.0.0\n";
const SBAT: &[u8] = b"sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md
stub,1,Stub
stub,1,Stub
uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/
\0";
const CMDLINE: &[u8] = b"usrhash=00 panic=3";

fn build(stub: &[u8], kernel: &[u8]) -> Result<Vec<u8>, acl_image::Error> {
    uki::build(
        stub,
        Sections {
            osrel: OSREL,
            cmdline: CMDLINE,
            uname: b"6.12.0-acl",
            linux: kernel,
            initrd: &[7; 5000],
        },
    )
}

#[test]
fn each_part_becomes_a_section_after_those_of_the_stub() {
    let image = Image::parse(build(&program(), &program()).unwrap()).unwrap();
    let found: Vec<_> = image
        .sections()
        .into_iter()
        .map(|s| (s.name, s.address, s.len, s.offset, s.file_len))
        .collect();
    let wanted = [
        (".text", 0x1000, 0x200, 0x400, 0x200),
        (".sbat", 0x2000, SBAT.len(), 0x600, 0x200),
        (".osrel", 0x3000, 27, 0x800, 0x200),
        (".cmdline", 0x4000, 18, 0xa00, 0x200),
        (".uname", 0x5000, 10, 0xc00, 0x200),
        (".linux", 0x6000, 0x800, 0xe00, 0x800),
        (".initrd", 0x7000, 5000, 0x1600, 0x1400),
    ];
    assert_eq!(
        found,
        wanted.map(|(name, a, b, c, d)| (name.to_owned(), a, b, c, d))
    );
    assert_eq!(image.content(".osrel"), Some(OSREL));
    assert_eq!(image.content(".cmdline"), Some(CMDLINE));
    assert_eq!(image.content(".linux"), Some(program().as_slice()));
    assert_eq!(image.content(".sbat"), Some(SBAT));
    assert_eq!(image.bytes().len(), 0x1600 + 0x1400);
    let field =
        |at: usize| u32::from_le_bytes(image.bytes()[0x98 + at..0x9c + at].try_into().unwrap());
    assert_eq!(field(56), 0x9000, "SizeOfImage");
    assert_eq!(
        field(8),
        0x200 + 27 + 18 + 10 + 0x800 + 5000,
        "SizeOfInitializedData"
    );
}

#[test]
fn revocation_lines_that_do_not_fit_are_an_error() {
    let mut kernel = program();
    let line = [b"sbat,1\n".as_slice(), &[b'x'; 400]].concat();
    kernel[0x600..0x600 + line.len()].copy_from_slice(&line);
    let error = build(&program(), &kernel).unwrap_err();
    assert_eq!(
        acl_host::error::chain(&error),
        "cannot make the unified kernel image: its section .sbat has room for 512 bytes, and 572 are needed"
    );
}

#[test]
fn a_second_build_gives_the_same_bytes() {
    assert!(build(&program(), &program()).unwrap() == build(&program(), &program()).unwrap());
}

#[test]
fn a_kernel_that_is_not_nx_compatible_makes_the_uki_so() {
    let mut kernel = program();
    let nx = |bytes: Vec<u8>| Image::parse(bytes).unwrap().is_nx_compatible();
    assert!(nx(build(&program(), &kernel).unwrap()));
    kernel[0x98 + 71] = 0;
    assert!(!nx(build(&program(), &kernel).unwrap()));
}

#[test]
fn what_is_no_efi_program_is_refused() {
    let mut no_room = program();
    no_room[0x98 + 60..0x98 + 64].copy_from_slice(&0x200_u32.to_le_bytes());
    let mut aligned_to_nothing = program();
    aligned_to_nothing[0x98 + 32] = 3;
    let mut signed = program();
    signed[0x98 + 144] = 1;
    let cut_off = &program()[..0x700];
    for (stub, reason) in [
        (&b"MZ"[..], PeError::NotPe),
        (b"#!/bin/sh", PeError::NotPe),
        (cut_off, PeError::CutOff("a section", 0x700)),
        (
            &aligned_to_nothing,
            PeError::Alignment("section alignment", 0x1003),
        ),
        (&signed, PeError::Signed),
        (&no_room, PeError::NoRoom(".cmdline".to_owned())),
    ] {
        let error = build(stub, &program()).unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.downcast_ref::<PeError>(), Some(&reason));
    }
    let error = build(&program(), b"no kernel").unwrap_err();
    assert_eq!(
        acl_host::error::chain(&error),
        "the kernel cannot be used: it is no 64-bit PE image"
    );
}

#[test]
fn lying_headers_are_errors_and_no_panic() {
    let whole = program();
    for at in 0x3c..0x200 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut stub = whole.clone();
            stub[at] = value;
            let _ = build(&stub, &whole);
            for len in [4, 0x40, 0x90, 0x120, 0x3ff] {
                let _ = build(&stub[..len], &whole);
            }
        }
    }
}
