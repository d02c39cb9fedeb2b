//! A virtual machine: OVMF with Secure Boot, a disk image, a console, a root shell.
//!
//! Tests wait for what the machine says, never for a time to pass; the time limits are about five times what an idle
//! host needs. One machine runs at a time, across processes: two at once on two cores are slower than one after
//! the other. Whatever fails carries the end of the console.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use acl_host::tool::{Running, Tool, Tools};
use anyhow::{Context, Error, Result, anyhow, bail};

use crate::accelerator::{Accelerator, firmware_directories};
use crate::firmware;
use crate::handover::Handover;
use crate::qmp::Qmp;
use crate::shell::{Output, Shell};
use crate::transcript::{Transcript, Watcher};
use crate::workspace;

/// How long a boot may take, from power on to the root shell: 30 to 40 s on an idle host without KVM.
pub const BOOT: Duration = Duration::from_secs(240);
/// How long a command may take that only asks.
const ANSWER: Duration = Duration::from_secs(120);
/// How long an orderly shutdown may take.
const SHUTDOWN: Duration = Duration::from_secs(120);
/// How much of the console an error carries.
const TAIL: usize = 60;

/// What a machine is made of.
pub struct Parts {
    /// What its logs are called, below `target/tests/logs/`.
    pub name: String,
    /// Its disk: a raw image that it may write to.
    pub disk: PathBuf,
    /// Further disks: raw images; the first one's serial number is `extra0`.
    pub extra: Vec<PathBuf>,
    /// Its firmware's variables, which it may write to.
    pub variables: PathBuf,
    /// What the hypervisor hands over.
    pub handover: Handover,
    /// Further options of QEMU's user network, such as `hostfwd=tcp:127.0.0.1:2222-:22`.
    pub network: Vec<String>,
    /// Further arguments of QEMU: devices, what SMBIOS says.
    pub hardware: Vec<String>,
    /// What is removed with the machine, unless it is shut down in order.
    pub discard: Option<PathBuf>,
    /// Sees each line of the console.
    pub watcher: Option<Watcher>,
}

/// A running machine. It is switched off when the value is dropped.
#[derive(Debug)]
pub struct Machine {
    name: String,
    qemu: Running,
    qmp: Qmp,
    console: Transcript,
    shell: Shell,
    switched_on: Instant,
    _turn: File,
    _sockets: tempfile::TempDir,
    discard: Discard,
}

/// A directory that goes with the machine.
#[derive(Debug)]
struct Discard(Option<PathBuf>);

impl Machine {
    /// Switches a machine on, when no other runs.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn switch_on(tools: &Tools, parts: Parts) -> Result<Self> {
        let turn = workspace::turn("machine.lock")?;
        let accelerator = Accelerator::probe(tools)?;
        let logs = workspace::logs(&parts.name)?;
        let directory = tempfile::tempdir()?;
        let ports = Ports::listen(directory.path())?;
        let messages = logs.join("qemu.log");
        let mut qemu = tools
            .command(Tool::QemuSystem)
            .args(firmware_directories(tools))
            .args(accelerator.arguments())
            .args(board(tools, &parts))
            .args(ports.arguments())
            .args(parts.handover.arguments())
            .stderr(File::create(&messages)?)
            .spawn()?;
        progress(&parts.name, format_args!("on, {accelerator:?}"));
        let streams = ports.accept(&mut qemu).with_context(|| {
            let said = std::fs::read_to_string(&messages).unwrap_or_default();
            format!("QEMU did not start: {said}")
        });
        let [control, console, shell] = streams?;
        Ok(Self {
            name: parts.name,
            qemu,
            qmp: Qmp::open(control)?,
            console: Transcript::follow(console, &logs.join("console.log"), parts.watcher)?,
            shell: Shell::open(shell, &logs.join("shell.log"))?,
            switched_on: Instant::now(),
            _turn: turn,
            _sockets: directory,
            discard: Discard(parts.discard),
        })
    }

    /// What the machine wrote to its console.
    pub fn console(&self) -> &Transcript {
        &self.console
    }

    /// Waits for a boot that was not waited for yet, until its root shell answers.
    ///
    /// # Errors
    /// With the end of the console, when none comes within `limit`.
    pub fn wait_for_boot(&mut self, limit: Duration) -> Result<()> {
        self.shell.wait_for_boot(limit).map_err(|silence| {
            self.explain(anyhow!(silence).context("no boot reached the shell"))
        })?;
        let seconds = self.switched_on.elapsed().as_secs();
        progress(&self.name, format_args!("up after {seconds} s"));
        Ok(())
    }

    /// Waits for a line on the console, from the place `from` on, that contains `marker`; gives the place after it.
    ///
    /// # Errors
    /// With the end of the console, when it does not come within `limit`.
    pub fn wait_for(&self, from: usize, marker: &str, limit: Duration) -> Result<usize> {
        self.console
            .wait(from, limit, |text| text.contains(marker))
            .map(|(next, _)| next)
            .map_err(|silence| {
                self.explain(anyhow!(silence).context(format!("no {marker:?} on the console")))
            })
    }

    /// Runs a command as root.
    ///
    /// # Errors
    /// With the end of the console, when the machine does not answer.
    pub fn run(&mut self, command: &str) -> Result<Output> {
        let output = self.shell.run(command, ANSWER);
        output.map_err(|error| self.explain(error))
    }

    /// Runs a command as root that may take up to `limit`.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_long(&mut self, command: &str, limit: Duration) -> Result<Output> {
        let output = self.shell.run(command, limit);
        output.map_err(|error| self.explain(error))
    }

    /// Runs a command as root that has to succeed, and gives what it wrote.
    ///
    /// # Errors
    /// As [`Self::run`], and with what it wrote when its exit status is not 0.
    pub fn ask(&mut self, command: &str) -> Result<String> {
        let output = self.run(command)?;
        if output.status != 0 {
            bail!(
                "{}: `{command}` ended with {}: {}",
                self.name,
                output.status,
                output.text
            );
        }
        Ok(output.text)
    }

    /// Resets the machine at once, as its reset button does. What it did not write to its disk is lost.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn reset(&mut self) -> Result<()> {
        self.qmp.execute("system_reset")?;
        // What it said just before is still on its way; no boot comes to its shell in a second.
        std::thread::sleep(Duration::from_secs(1));
        self.shell.forget();
        Ok(())
    }

    /// Reboots the machine in order, and waits for the boot after it.
    ///
    /// # Errors
    /// As [`Self::wait_for_boot`].
    pub fn reboot(&mut self, limit: Duration) -> Result<()> {
        self.shell.send("systemctl reboot --no-block")?;
        self.wait_for_boot(limit)
    }

    /// Shuts the machine down in order: its disk is kept, and can then be read, changed and copied.
    ///
    /// # Errors
    /// With the end of the console, when it stays on.
    pub fn shut_down(mut self) -> Result<()> {
        self.shell.send("systemctl poweroff --no-block")?;
        match self.qemu.wait(SHUTDOWN)? {
            Some(_) => {
                self.discard.0 = None;
                Ok(())
            }
            None => Err(self.explain(anyhow!("the machine did not switch itself off"))),
        }
    }

    /// `error`, with the end of the console.
    pub fn explain(&self, error: Error) -> Error {
        let tail = self.console.tail(TAIL);
        let name = &self.name;
        anyhow!("{name}: {error:#}\n--- the last {TAIL} lines of its console ---\n{tail}---")
    }
}

impl Drop for Discard {
    fn drop(&mut self) {
        if let Some(directory) = &self.0 {
            // What stays takes room until the next run replaces it.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

/// Tells a person what a long test is at.
pub fn progress(name: &str, what: std::fmt::Arguments<'_>) {
    // Nobody reads it where standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "  machine {name}: {what}");
}

/// The serial ports and the control socket: the harness listens, QEMU connects while it starts.
struct Ports([(&'static str, UnixListener, PathBuf); 3]);

impl Ports {
    fn listen(directory: &Path) -> Result<Self> {
        let listen = |name: &'static str| -> Result<_> {
            let path = directory.join(name);
            let listener = UnixListener::bind(&path)?;
            listener.set_nonblocking(true)?;
            Ok((name, listener, path))
        };
        Ok(Self([
            listen("control")?,
            listen("console")?,
            listen("shell")?,
        ]))
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for (name, _, path) in &self.0 {
            let path = path.display();
            arguments.push("-chardev".to_owned());
            arguments.push(format!("socket,id={name},path={path},server=off"));
        }
        let devices = [
            ["-mon", "chardev=control,mode=control"],
            ["-device", "isa-serial,chardev=console,index=0"],
            ["-device", "isa-serial,chardev=shell,index=1"],
        ];
        arguments.extend(devices.concat().into_iter().map(str::to_owned));
        arguments
    }

    fn accept(self, qemu: &mut Running) -> Result<[UnixStream; 3]> {
        let [control, console, shell] = self.0;
        Ok([
            accept(&control.1, qemu)?,
            accept(&console.1, qemu)?,
            accept(&shell.1, qemu)?,
        ])
    }
}

/// Waits for QEMU to connect, or to end.
fn accept(listener: &UnixListener, qemu: &mut Running) -> Result<UnixStream> {
    let end = Instant::now() + ANSWER;
    while Instant::now() < end {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(status) = qemu.wait(Duration::from_millis(20))? {
            bail!("it ended with {status}");
        }
    }
    bail!("it did not connect within {} s", ANSWER.as_secs())
}

/// How disks are opened. The host's cache outlives every reset of the guest: only a crash of the host could lose it. What
/// the guest fills with zeros takes no room on the host.
const DISK: &str = "format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap";

/// The board: firmware with system management mode (which guards the variables), disk, network, entropy.
fn board(tools: &Tools, parts: &Parts) -> Vec<String> {
    let code = file_option(firmware::code(tools));
    let variables = file_option(&parts.variables);
    let disk = file_option(&parts.disk);
    let extra = parts.extra.iter().enumerate().flat_map(|(number, disk)| {
        let disk = file_option(disk);
        let drive = format!("if=none,id=extra{number},{DISK},{disk}");
        let device = format!("virtio-blk-pci,drive=extra{number},serial=extra{number}");
        ["-drive".to_owned(), drive, "-device".to_owned(), device]
    });
    [
        ["-machine", "q35,smm=on"].map(str::to_owned),
        ["-smp", "2"].map(str::to_owned),
        ["-m", "2048"].map(str::to_owned),
        ["-display", "none"].map(str::to_owned),
        ["-global", "driver=cfi.pflash01,property=secure,value=on"].map(str::to_owned),
        [
            "-drive".to_owned(),
            format!("if=pflash,format=raw,unit=0,readonly=on,{code}"),
        ],
        [
            "-drive".to_owned(),
            format!("if=pflash,format=raw,unit=1,{variables}"),
        ],
        [
            "-drive".to_owned(),
            format!("if=none,id=disk,{DISK},{disk}"),
        ],
        ["-device", "virtio-blk-pci,drive=disk,bootindex=0"].map(str::to_owned),
        ["-netdev".to_owned(), network(&parts.network)],
        ["-device", "virtio-net-pci,netdev=network,romfile="].map(str::to_owned),
        ["-device", "virtio-rng-pci"].map(str::to_owned),
    ]
    .into_iter()
    .flatten()
    .chain(extra)
    .chain(parts.hardware.iter().cloned())
    .chain(["-nodefaults", "-no-user-config"].map(str::to_owned))
    .collect()
}

/// QEMU's user network: 10.0.2.0/24, the host is 10.0.2.2, the machine 10.0.2.15.
fn network(options: &[String]) -> String {
    let network = ["user,id=network".to_owned()];
    [&network, options].concat().join(",")
}

/// `file=PATH`, with the commas doubled as QEMU wants them.
fn file_option(path: impl AsRef<Path>) -> String {
    let path: &dyn Display = &path.as_ref().display();
    format!("file={}", path.to_string().replace(',', ",,"))
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("name", &self.name)
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}
