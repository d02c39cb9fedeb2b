//! A machine in a directory, with the host's programs or with a recorder in their place.

use std::fs::{File, create_dir_all};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acl_host::Tools;
use acl_provision::stage::disks::device::{Device, wait};
use acl_provision::stage::disks::{Line, Machine, Programs};

/// What a recorded program answers: its output, or its exit status.
pub(crate) type Answer = fn(&str) -> Result<&'static str, i32>;

/// Records command lines, with the directory of the machine left out, and runs nothing.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    root: String,
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
    answer: Answer,
}

impl Recorder {
    pub(crate) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

impl Programs for Recorder {
    fn run(&self, line: &Line, _: Option<Duration>) -> acl_host::Result<Vec<u8>> {
        let text = line.to_string().replace(&self.root, "");
        self.lines.lock().unwrap().push(text.clone());
        (self.answer)(&text)
            .map(|output| output.as_bytes().to_vec())
            .map_err(|code| acl_host::Error::RunTool {
                program: line.tool.program().display().to_string(),
                status: ExitStatus::from_raw(code << 8),
                stderr: String::new(),
            })
    }
}

/// A machine whose programs are recorded.
pub(crate) fn recorded(root: &Path, answer: Answer) -> (Machine, Recorder) {
    let root = root.canonicalize().unwrap();
    let recorder = Recorder {
        root: root.display().to_string(),
        lines: Arc::default(),
        answer,
    };
    let machine = Machine {
        root,
        programs: Box::new(recorder.clone()),
        patience: Duration::from_secs(7),
    };
    (machine, recorder)
}

/// A machine in a directory that the host's programs work on.
pub(crate) fn real(root: &Path) -> Machine {
    Machine {
        root: root.canonicalize().unwrap(),
        programs: Box::new(Tools::host()),
        patience: Duration::from_secs(7),
    }
}

/// A disk of `mib` MiB in a file, as `/dev/<name>`.
pub(crate) fn image(root: &Path, name: &str, mib: u64) -> PathBuf {
    let path = root.join("dev").join(name);
    create_dir_all(path.parent().unwrap()).unwrap();
    File::create(&path).unwrap().set_len(mib << 20).unwrap();
    path
}

/// The device of that name.
pub(crate) fn device(name: &str, machine: &Machine) -> Device {
    wait([name], machine).unwrap().remove(0)
}
