//! Fills `corpus/` with what the fuzzer begins with: the cases of the tests' tables, in the versions that they name.
//!
//!     cargo run --release --bin seeds

use std::error::Error;
use std::path::{Path, PathBuf};

use acl_host::file;
use serde_json::{Value, json};

/// Sources of good and of bad form, some compressed (`z` before them).
const SOURCES: &[&str] = &[
    ",hello%20world",
    ";base64,aGVsbG8=",
    "text/plain;charset=\"utf-8\";base64,aGVsbG8gd29ybGQ=",
    "text/plain;charset=utf-8,%zz",
    "zdata;base64,H4sIAAAAAAAAAwMAAAAAAAAAAAA=",
    "z;base64,H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==",
];

fn main() -> Result<(), Box<dyn Error>> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tables = fuzz.join("../tests/data");
    let corpus = Corpus(fuzz.join("corpus"));
    for table in file::list(tables.join("invalid"))? {
        let cases = file::read_to_string(&table)?;
        for case in cases.trim_end().split("\n\n") {
            corpus.add("parse", document(case).as_bytes())?;
        }
    }
    let cases: Vec<Value> =
        serde_json::from_str(&file::read_to_string(tables.join("merge.json"))?)?;
    for case in cases {
        let [parent, child, merged] = ["parent", "child", "merged"].map(|part| whole(&case[part]));
        corpus.add("parse", merged.as_bytes())?;
        corpus.add("merge", format!("{parent}\0{child}").as_bytes())?;
    }
    for source in SOURCES {
        corpus.add("data_url", source.as_bytes())?;
    }
    corpus.add("ovf", include_bytes!("../../ovf-env.xml"))?;
    Ok(())
}

/// The document of a case: what stands before its report.
fn document(case: &str) -> String {
    let given: Vec<_> = case
        .lines()
        .filter(|line| !line.starts_with("error ") && !line.starts_with("warning "))
        .collect();
    let given = given.join("\n");
    match given.starts_with(['{', '[']) {
        true => given,
        false => format!("{{\"ignition\": {{\"version\": \"3.6.0\"}},\n {given}}}"),
    }
}

/// Sections with the version that makes a config of them.
fn whole(sections: &Value) -> String {
    let mut config = sections.clone();
    if config.get("ignition").is_none() {
        config["ignition"] = json!({});
    }
    config["ignition"]["version"] = json!("3.6.0");
    config.to_string()
}

/// One folder a target, one file a document.
struct Corpus(PathBuf);

impl Corpus {
    fn add(&self, target: &str, document: &[u8]) -> Result<(), Box<dyn Error>> {
        let folder = self.0.join(target);
        std::fs::create_dir_all(&folder)?;
        let number = std::fs::read_dir(&folder)?.count();
        file::scratch(folder.join(format!("seed-{number:03}")), document)?;
        Ok(())
    }
}
