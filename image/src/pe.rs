//! PE32+ images (the format of EFI programs) as far as building and signing them needs: reading the
//! headers, appending sections, attaching a certificate table.
//!
//! Source: Microsoft, "PE Format". Only x86-64 EFI programs are expected; anything else is refused.
//! What the sections mean is known to [`crate::step::uki`], what the certificate table holds to
//! [`crate::authenticode`].

const SECTION_HEADER_LEN: usize = 40;
const PE32_PLUS: u16 = 0x20b;
const NX_COMPAT: u16 = 0x100;

// Offsets in the COFF header, counted from the PE signature.
const NUMBER_OF_SECTIONS: usize = 6;
const SIZE_OF_OPTIONAL_HEADER: usize = 20;
const OPTIONAL_HEADER: usize = 24;
// Offsets in the optional header.
const SIZE_OF_INITIALIZED_DATA: usize = 8;
const SECTION_ALIGNMENT: usize = 32;
const FILE_ALIGNMENT: usize = 36;
const SIZE_OF_IMAGE: usize = 56;
const SIZE_OF_HEADERS: usize = 60;
const CHECK_SUM: usize = 64;
const DLL_CHARACTERISTICS: usize = 70;
const NUMBER_OF_DIRECTORIES: usize = 108;
const CERTIFICATE_TABLE: usize = 112 + 4 * 8;
/// Length of the optional header up to and including the certificate table's entry.
const OPTIONAL_HEADER_MIN: usize = CERTIFICATE_TABLE + 8;

/// Why bytes are no PE image, or why it cannot be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeError {
    /// The DOS or PE signature is missing, or it is not PE32+.
    #[error("it is no 64-bit PE image")]
    NotPe,
    /// A header or a section lies outside of the file.
    #[error("it is cut off: {0} lies outside of its {1} bytes")]
    CutOff(&'static str, usize),
    /// An alignment is zero or no power of two.
    #[error("its {0} of {1} is no power of two")]
    Alignment(&'static str, usize),
    /// The image has a certificate table already.
    #[error("it is signed already; give the unsigned file")]
    Signed,
    /// No room for one more section header before the first section's data.
    #[error("its headers have no room for the section {0}")]
    NoRoom(String),
    /// New content does not fit into the section that is there.
    #[error("its section {name} has room for {room} bytes, and {len} are needed")]
    SectionFull {
        /// The section.
        name: String,
        /// Bytes of the new content.
        len: usize,
        /// Bytes that the section has in the file.
        room: usize,
    },
    /// A section's name has more than eight bytes.
    #[error("the section name {0} has more than 8 bytes")]
    LongName(String),
    /// The image would pass 4 GiB.
    #[error("it would be larger than 4 GiB")]
    TooLarge,
}

/// One section of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name without the padding, such as `.linux`.
    pub name: String,
    /// Address in memory, relative to the image's base.
    pub address: usize,
    /// Bytes in memory; the content's true length.
    pub len: usize,
    /// Where the content starts in the file.
    pub offset: usize,
    /// Bytes in the file, a multiple of the file alignment.
    pub file_len: usize,
}

/// What a new section is for; sets its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Code: the kernel, which old kernels run in place.
    Code,
    /// Data that is read.
    Data,
}

impl Content {
    /// `IMAGE_SCN_MEM_READ` with `IMAGE_SCN_CNT_CODE` or `IMAGE_SCN_CNT_INITIALIZED_DATA`.
    fn characteristics(self) -> u32 {
        0x4000_0000
            | match self {
                Self::Code => 0x20,
                Self::Data => 0x40,
            }
    }
}

/// A PE32+ image in memory.
#[derive(Debug, Clone)]
pub struct Image {
    bytes: Vec<u8>,
    pe: usize,
    section_alignment: usize,
    file_alignment: usize,
}

impl Image {
    /// Reads and checks the headers.
    ///
    /// # Errors
    /// [`PeError::NotPe`], [`PeError::CutOff`] and [`PeError::Alignment`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, PeError> {
        let pe = field32(&bytes, 0x3c).ok_or(PeError::NotPe)?;
        let optional = pe + OPTIONAL_HEADER;
        let is_pe = bytes.starts_with(b"MZ")
            && bytes.get(pe..pe + 4) == Some(b"PE\0\0")
            && field16(&bytes, optional) == Some(PE32_PLUS);
        if !is_pe {
            return Err(PeError::NotPe);
        }
        let image = Self {
            section_alignment: alignment(
                &bytes,
                optional + SECTION_ALIGNMENT,
                "section alignment",
            )?,
            file_alignment: alignment(&bytes, optional + FILE_ALIGNMENT, "file alignment")?,
            bytes,
            pe,
        };
        image.check()?;
        Ok(image)
    }

    /// The sections in the order of their headers.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        (0..self.section_count())
            .map(|index| self.section(self.section_header(index)))
            .collect()
    }

    /// The content of the section called `name`, without its padding.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<&[u8]> {
        let section = self.sections().into_iter().find(|s| s.name == name)?;
        let len = section.len.min(section.file_len);
        self.bytes.get(section.offset..section.offset + len)
    }

    /// Whether a certificate table is there.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.field(self.optional(CERTIFICATE_TABLE)) != 0
    }

    /// Whether the program says that it works with memory that is either writable or executable.
    #[must_use]
    pub fn is_nx_compatible(&self) -> bool {
        self.dll_characteristics() & NX_COMPAT != 0
    }

    /// Takes back that the program is NX-compatible.
    pub fn clear_nx_compatible(&mut self) {
        let at = self.optional(DLL_CHARACTERISTICS);
        let flags = self.dll_characteristics() & !NX_COMPAT;
        self.bytes[at..at + 2].copy_from_slice(&flags.to_le_bytes());
    }

    /// Appends a section: its content at the end of the file, its address after the last section's.
    ///
    /// # Errors
    /// [`PeError::Signed`], [`PeError::LongName`], [`PeError::NoRoom`] and [`PeError::TooLarge`].
    pub fn add_section(
        &mut self,
        name: &str,
        data: &[u8],
        content: Content,
    ) -> Result<(), PeError> {
        if self.is_signed() {
            return Err(PeError::Signed);
        }
        let header = self.room_for_header(name)?;
        let count = self.section_count();
        let section = Section {
            name: name.to_owned(),
            address: self.next_address(),
            len: data.len(),
            offset: self.bytes.len().next_multiple_of(self.file_alignment),
            file_len: data.len().next_multiple_of(self.file_alignment),
        };
        let size_of_image =
            (section.address + section.len).next_multiple_of(self.section_alignment);
        let initialized = self.field(self.optional(SIZE_OF_INITIALIZED_DATA)) + data.len();
        self.write_header(header, &section, content)?;
        self.bytes.resize(section.offset, 0);
        self.bytes.extend_from_slice(data);
        self.bytes.resize(section.offset + section.file_len, 0);
        self.set(self.optional(SIZE_OF_IMAGE), size_of_image)?;
        self.set(self.optional(SIZE_OF_INITIALIZED_DATA), initialized)?;
        self.set(self.optional(CHECK_SUM), 0)?;
        self.set_section_count(count + 1);
        Ok(())
    }

    /// Puts new content into the section called `name`, or appends it as data when there is none.
    ///
    /// # Errors
    /// [`PeError::SectionFull`], and those of [`Self::add_section`].
    pub fn put_section(&mut self, name: &str, data: &[u8]) -> Result<(), PeError> {
        let sections = self.sections();
        let Some(index) = sections.iter().position(|section| section.name == name) else {
            return self.add_section(name, data, Content::Data);
        };
        let Section {
            offset,
            file_len: room,
            ..
        } = sections[index];
        if data.len() > room {
            return Err(PeError::SectionFull {
                name: name.to_owned(),
                len: data.len(),
                room,
            });
        }
        self.bytes[offset..offset + room].fill(0);
        self.bytes[offset..offset + data.len()].copy_from_slice(data);
        self.set(self.section_header(index) + 8, data.len())
    }

    /// Pads the file to eight bytes, as a certificate table after it needs it.
    pub fn pad_for_certificates(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    /// Appends a certificate table (its length a multiple of eight) and enters it and the checksum in the headers.
    ///
    /// # Errors
    /// [`PeError::Signed`] and [`PeError::TooLarge`].
    pub fn attach_certificates(&mut self, table: &[u8]) -> Result<(), PeError> {
        if self.is_signed() {
            return Err(PeError::Signed);
        }
        self.pad_for_certificates();
        let start = self.bytes.len();
        self.set(self.optional(CERTIFICATE_TABLE), start)?;
        self.set(self.optional(CERTIFICATE_TABLE + 4), table.len())?;
        self.bytes.extend_from_slice(table);
        let sum = self.check_sum();
        let at = self.optional(CHECK_SUM);
        self.bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
        Ok(())
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file, given away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn check(&self) -> Result<(), PeError> {
        let cut = |what| PeError::CutOff(what, self.bytes.len());
        let optional_len = field16(&self.bytes, self.pe + SIZE_OF_OPTIONAL_HEADER)
            .ok_or(cut("the COFF header"))?;
        let headers_end = self.section_header(self.section_count());
        if usize::from(optional_len) < OPTIONAL_HEADER_MIN || headers_end > self.bytes.len() {
            return Err(cut("a header"));
        }
        if self.field(self.optional(NUMBER_OF_DIRECTORIES)) < 5 {
            return Err(cut("the certificate table's entry"));
        }
        if self.field(self.optional(SIZE_OF_HEADERS)) > self.bytes.len() {
            return Err(cut("a header"));
        }
        let end = |s: &Section| s.offset + s.file_len;
        if self.sections().iter().any(|s| end(s) > self.bytes.len()) {
            return Err(cut("a section"));
        }
        Ok(())
    }

    /// Where the next section header goes, if it fits before the first section's data.
    fn room_for_header(&self, name: &str) -> Result<usize, PeError> {
        if name.len() > 8 {
            return Err(PeError::LongName(name.to_owned()));
        }
        let start = self.section_header(self.section_count());
        let headers = self.field(self.optional(SIZE_OF_HEADERS));
        let data = self
            .sections()
            .iter()
            .filter(|s| s.file_len > 0)
            .map(|s| s.offset)
            .min();
        if start + SECTION_HEADER_LEN > data.map_or(headers, |data| data.min(headers)) {
            return Err(PeError::NoRoom(name.to_owned()));
        }
        Ok(start)
    }

    fn next_address(&self) -> usize {
        let end = self.sections().iter().map(|s| s.address + s.len).max();
        end.unwrap_or_else(|| self.field(self.optional(SIZE_OF_HEADERS)))
            .next_multiple_of(self.section_alignment)
    }

    fn write_header(
        &mut self,
        at: usize,
        section: &Section,
        content: Content,
    ) -> Result<(), PeError> {
        self.bytes[at..at + SECTION_HEADER_LEN].fill(0);
        self.bytes[at..at + section.name.len()].copy_from_slice(section.name.as_bytes());
        self.set(at + 8, section.len)?;
        self.set(at + 12, section.address)?;
        self.set(at + 16, section.file_len)?;
        self.set(at + 20, section.offset)?;
        self.bytes[at + 36..at + 40].copy_from_slice(&content.characteristics().to_le_bytes());
        Ok(())
    }

    fn section(&self, at: usize) -> Section {
        let name = &self.bytes[at..at + 8];
        let len = name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(name.len());
        Section {
            name: String::from_utf8_lossy(&name[..len]).into_owned(),
            len: self.field(at + 8),
            address: self.field(at + 12),
            file_len: self.field(at + 16),
            offset: self.field(at + 20),
        }
    }

    fn section_header(&self, index: usize) -> usize {
        let optional_len = field16(&self.bytes, self.pe + SIZE_OF_OPTIONAL_HEADER).unwrap_or(0);
        self.optional(usize::from(optional_len)) + index * SECTION_HEADER_LEN
    }

    fn section_count(&self) -> usize {
        usize::from(field16(&self.bytes, self.pe + NUMBER_OF_SECTIONS).unwrap_or(0))
    }

    fn set_section_count(&mut self, count: usize) {
        let at = self.pe + NUMBER_OF_SECTIONS;
        // The headers' room runs out long before 65,536 sections.
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&count.to_le_bytes());
    }

    fn dll_characteristics(&self) -> u16 {
        field16(&self.bytes, self.optional(DLL_CHARACTERISTICS)).unwrap_or(0)
    }

    fn optional(&self, offset: usize) -> usize {
        self.pe + OPTIONAL_HEADER + offset
    }

    /// A 32-bit field inside the headers that [`Self::check`] found whole.
    fn field(&self, at: usize) -> usize {
        field32(&self.bytes, at).unwrap_or(0)
    }

    fn set(&mut self, at: usize, value: usize) -> Result<(), PeError> {
        let Ok(value) = u32::try_from(value) else {
            return Err(PeError::TooLarge);
        };
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        Ok(())
    }

    /// The sum of the 16-bit words with the carries folded in, the field itself taken as zero, plus the length.
    fn check_sum(&self) -> u32 {
        let at = self.optional(CHECK_SUM);
        let word = |(index, pair): (usize, &[u8])| match index * 2 {
            i if i == at || i == at + 2 => 0,
            _ => u64::from(u16::from_le_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ])),
        };
        let mut sum: u64 = self.bytes.chunks(2).enumerate().map(word).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (sum as u32).wrapping_add(self.bytes.len() as u32)
    }
}

fn alignment(bytes: &[u8], at: usize, what: &'static str) -> Result<usize, PeError> {
    let value = field32(bytes, at).ok_or(PeError::NotPe)?;
    if value.is_power_of_two() {
        Ok(value)
    } else {
        Err(PeError::Alignment(what, value))
    }
}

fn field16(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes(field.try_into().ok()?))
}

fn field32(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(field.try_into().ok()?)).ok()
}
