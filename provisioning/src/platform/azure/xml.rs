//! XML as Azure writes it: small documents of elements and text, read into a tree.
//!
//! Attributes are left out: nothing that is read here is in one. A document type is refused, and with it every entity
//! that is not XML's own: the documents come from outside, and entities are how a small one becomes a large one.

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// How deep elements may lie in each other; Azure's are 7 deep. Trees are dropped by recursion.
const DEPTH: usize = 64;

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Element {
    /// The namespace's name; empty without one.
    namespace: String,
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a whole document of UTF-8, with or without a byte order mark.
    ///
    /// # Errors
    /// Says what is wrong, and at which byte.
    pub(super) fn parse(document: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(document).map_err(|error| error.to_string())?;
        let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().expand_empty_elements = true;
        let mut tree = Tree::default();
        loop {
            let taken = match reader.read_resolved_event() {
                Ok((_, Event::Eof)) => break,
                Ok((namespace, event)) => tree.take(&namespace, &event),
                Err(error) => Err(error.to_string()),
            };
            taken.map_err(|what| format!("{what} (at byte {})", reader.buffer_position()))?;
        }
        match tree {
            Tree { open, .. } if !open.is_empty() => Err("it ends too early".to_owned()),
            Tree { root, .. } => root.ok_or_else(|| "it has no element".to_owned()),
        }
    }

    /// Whether this is the element `name` of `namespace`.
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The first child `name` of `namespace`.
    pub(super) fn child(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.children(namespace, name).next()
    }

    /// All children `name` of `namespace`.
    pub(super) fn children(&self, namespace: &str, name: &str) -> impl Iterator<Item = &Self> {
        self.children
            .iter()
            .filter(move |child| child.is(namespace, name))
    }

    /// The text between the tags, without white space around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// The text of a child; `None` when it is empty or not there.
    pub(super) fn text_of(&self, namespace: &str, name: &str) -> Option<&str> {
        let text = self.child(namespace, name)?.text();
        Some(text).filter(|text| !text.is_empty())
    }
}

/// A tree while it is read.
#[derive(Default)]
struct Tree {
    root: Option<Element>,
    /// The elements that are open, the innermost last.
    open: Vec<Element>,
}

impl Tree {
    fn take(&mut self, namespace: &ResolveResult<'_>, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.start(namespace, start.local_name().as_ref()),
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(entity) => self.text(&resolve(entity)?),
            Event::DocType(_) => Err("it declares a document type, which is refused".to_owned()),
            _ => Ok(()),
        }
    }

    fn start(&mut self, namespace: &ResolveResult<'_>, name: &str) -> Result<(), String> {
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.into_inner().to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => {
                return Err(format!("the prefix {prefix} stands for no namespace"));
            }
        };
        if self.root.is_some() {
            return Err(format!("<{name}> comes after the end"));
        }
        if self.open.len() == DEPTH {
            return Err(format!("more than {DEPTH} elements lie in each other"));
        }
        self.open.push(Element {
            namespace,
            name: name.to_owned(),
            ..Element::default()
        });
        Ok(())
    }

    fn end(&mut self) {
        let ended = self.open.pop();
        match (self.open.last_mut(), ended) {
            (Some(parent), Some(child)) => parent.children.push(child),
            (_, ended) => self.root = ended,
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("there is text outside of all elements".to_owned()),
        }
        Ok(())
    }
}

fn resolve(entity: &BytesRef<'_>) -> Result<String, String> {
    let character = entity
        .resolve_char_ref()
        .map_err(|error| error.to_string())?;
    if let Some(character) = character {
        return Ok(character.to_string());
    }
    let known = resolve_xml_entity(entity);
    known
        .map(str::to_owned)
        .ok_or_else(|| format!("the entity &{}; is not defined", &**entity))
}
