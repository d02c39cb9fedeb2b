//! From paths to lines and columns.

use std::collections::HashMap;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{Place, START, Wanted};

/// Where each of `wanted` stands in `text`, which is JSON.
///
/// One reading of the text, one walk over its tree where something is wanted, and one pass over the text for lines and
/// columns: what it costs grows with the text and with what is wanted, and not with their product.
pub(super) fn places(text: &str, wanted: &[Wanted<'_>]) -> Vec<Place> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut offsets = vec![0; wanted.len()];
    let tree = parse_to_ast(text, &CollectOptions::default(), &strict());
    // What serde reads and this parser does not is told without its place.
    if let Some(tree) = tree.ok().and_then(|tree| tree.value) {
        Branch::all(wanted).visit(tree.start(), &tree, &mut offsets);
    }
    in_lines(text, &offsets)
}

/// Where a text ends.
pub(super) fn end(text: &str) -> Place {
    let mut cursor = Cursor::new(text);
    cursor.go(text.len());
    cursor.place
}

/// What is wanted at a path and below it.
#[derive(Default)]
struct Branch<'w> {
    /// By its number; whether it is the key.
    here: Vec<(usize, bool)>,
    below: HashMap<&'w str, Self>,
}

impl<'w> Branch<'w> {
    fn all(wanted: &[Wanted<'w>]) -> Self {
        let mut root = Self::default();
        for (number, wanted) in wanted.iter().enumerate() {
            let mut branch = &mut root;
            for step in wanted.path.steps() {
                branch = branch.below.entry(step).or_default();
            }
            branch.here.push((number, wanted.key));
        }
        root
    }

    /// Takes down where the value stands, whose key begins at `key`, and where what is below it stands.
    fn visit(&self, key: usize, value: &ast::Value<'_>, offsets: &mut [usize]) {
        for (number, is_key) in &self.here {
            offsets[*number] = if *is_key { key } else { value.start() };
        }
        for branch in self.below.values() {
            branch.miss(value.start(), offsets);
        }
        match value {
            // Of keys that stand twice the last one counts.
            ast::Value::Object(object) => {
                for property in &object.properties {
                    if let Some(branch) = self.below.get(property.name.as_str()) {
                        branch.visit(property.start(), &property.value, offsets);
                    }
                }
            }
            ast::Value::Array(array) => {
                for (step, branch) in &self.below {
                    let index = step.parse::<usize>().ok();
                    if let Some(value) = index.and_then(|index| array.elements.get(index)) {
                        branch.visit(value.start(), value, offsets);
                    }
                }
            }
            _ => {}
        }
    }

    /// What is not there stands where its holder stands.
    fn miss(&self, holder: usize, offsets: &mut [usize]) {
        for (number, _) in &self.here {
            offsets[*number] = holder;
        }
        for branch in self.below.values() {
            branch.miss(holder, offsets);
        }
    }
}

/// The places of bytes, in one pass over the text.
fn in_lines(text: &str, offsets: &[usize]) -> Vec<Place> {
    let mut order: Vec<usize> = (0..offsets.len()).collect();
    order.sort_by_key(|number| offsets[*number]);
    let mut places = vec![START; offsets.len()];
    let mut cursor = Cursor::new(text);
    for number in order {
        cursor.go(offsets[number]);
        places[number] = cursor.place;
    }
    places
}

/// A place that goes on through a text, and never back.
struct Cursor<'t> {
    ahead: &'t str,
    offset: usize,
    place: Place,
}

impl<'t> Cursor<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            ahead: text,
            offset: 0,
            place: START,
        }
    }

    fn go(&mut self, to: usize) {
        let length = to.saturating_sub(self.offset);
        let Some((passed, ahead)) = self.ahead.split_at_checked(length) else {
            return;
        };
        for letter in passed.chars() {
            if letter == '\n' {
                self.place.line += 1;
                self.place.column = 1;
            } else {
                self.place.column += 1;
            }
        }
        (self.ahead, self.offset) = (ahead, to);
    }
}

/// Nothing beyond RFC 8259: a config that ACL takes is one that every other reader takes.
const fn strict() -> ParseOptions {
    ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}
