//! The arguments of `pasteur unikernel run`.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ValueEnum, ValueHint};
use device::manifest::Name;
use pasteur::{duration, size};

const EXAMPLES: &str = "\
Examples:
  pasteur unikernel run pasteur.unikernel --disk pastes.img       the disk is made if it is missing
  pasteur unikernel run IMAGE --publish 0.0.0.0:80:80 --net user
  pasteur unikernel run IMAGE --net tap=tap0 -- --ipv4 10.0.0.2/24 --gateway 10.0.0.1
  pasteur unikernel run IMAGE --disk store=/dev/vg/pastes --tls-cert cert.pem --tls-key key.pem

The image's manifest says which disks and network cards there have to be (`pasteur unikernel inspect IMAGE` prints it).
Ctrl-C and SIGTERM ask the unikernel to stop, and a second one turns the machine off; a unikernel that takes no such
words is turned off at once. The exit code is the machine's own status where it ends by itself, and 0 where it was
turned off.";

/// What `run` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// The unikernel's image
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) image: PathBuf,
    /// A file, or a block device, as the disk NAME, or else as the first one of the manifest that was not given; it is
    /// made if it is missing
    #[arg(short, long = "disk", value_name = "[NAME=]FILE")]
    pub(super) disks: Vec<Named<PathBuf>>,
    /// How large a disk is that is made
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = disk_size)]
    pub(super) disk_size: u64,
    /// What a network card is connected to: QEMU's own network, or a TAP device [default: user]
    #[arg(short, long = "net", value_name = "[NAME=]user|tap=DEVICE")]
    pub(super) nets: Vec<Named<Net>>,
    /// A port of this machine that leads to a port of the unikernel, with QEMU's own network [default: 8080:80, or
    /// 8443:443 with TLS]
    #[arg(short, long, value_name = "[ADDRESS:]PORT:PORT")]
    pub(super) publish: Vec<Publish>,
    /// The machine's memory
    #[arg(short, long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub(super) memory: u64,
    /// Which of QEMU's machines it is
    #[arg(long, value_enum, default_value_t = Machine::Microvm)]
    pub(super) machine: Machine,
    /// How the processor runs: auto is KVM where a trial shows that it works, and otherwise emulation
    #[arg(long, value_enum, default_value_t = Accelerator::Auto)]
    pub(super) accelerator: Accelerator,
    /// The certificate that the unikernel shows, in PEM, with those that lead to its authority; it goes by the disk
    /// `config`
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath)]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub(super) tls_key: Option<PathBuf>,
    /// How long the unikernel may take to stop once it is asked to; then the machine is turned off
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) grace: Duration,
    /// QEMU's program
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-x86_64")]
    pub(super) qemu: PathBuf,
    /// The unikernel's own options
    #[arg(last = true, value_name = "OPTION")]
    pub(super) options: Vec<String>,
}

fn disk_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("a disk of nothing holds nothing".into()),
        size => Ok(size),
    }
}

/// QEMU's machines.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// The least there is: devices in memory
    Microvm,
    /// A PC with PCI Express
    Q35,
    /// A PC with PCI
    Pc,
}

impl Machine {
    /// QEMU's name for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Microvm => "microvm",
            Self::Q35 => "q35",
            Self::Pc => "pc",
        }
    }

    /// How the names of its virtio devices end.
    pub(super) fn bus(self) -> &'static str {
        if self == Self::Microvm { "device" } else { "pci" }
    }
}

/// How the processor runs.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// KVM, if a trial shows that it works here, and otherwise emulation
    Auto,
    /// By the processor itself
    Kvm,
    /// Emulated
    Tcg,
}

/// Something that may be for one device of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named<T> {
    /// The device; `None` is the first one that was not given.
    pub(super) name: Option<Name>,
    /// What it is.
    pub(super) value: T,
}

impl<T: FromStr> FromStr for Named<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let named = text.split_once('=').and_then(|(name, rest)| Some((Name::new(name.as_bytes())?, rest)));
        Ok(match named {
            // `tap=` is a network, not a device of that name.
            Some((name, rest)) if name.as_str() != "tap" => Self { name: Some(name), value: rest.parse()? },
            _ => Self { name: None, value: text.parse()? },
        })
    }
}

/// What a network card is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Net {
    /// QEMU's own network, with ports that are published.
    User,
    /// A TAP device, that is there already.
    Tap(String),
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("tap=") {
            // Linux names network devices by up to 15 bytes, without blanks and slashes; a comma would be QEMU's.
            Some(name)
                if matches!(name.len(), 1..16) && name.bytes().all(|b| b.is_ascii_graphic() && !b"/,".contains(&b)) =>
            {
                Ok(Self::Tap(name.to_owned()))
            }
            Some(name) => Err(format!("{name:?} is no name of a network device")),
            None if text == "user" => Ok(Self::User),
            None => Err("a network is user, or tap=DEVICE".into()),
        }
    }
}

/// A port of this machine that leads to a port of the unikernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Publish {
    /// Where it is reached.
    pub(super) here: SocketAddrV4,
    /// The unikernel's own port.
    pub(super) there: u16,
}

impl FromStr for Publish {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "it is PORT:PORT or ADDRESS:PORT:PORT, with an IPv4 address";
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0).ok_or(WRONG);
        let (here, there) = text.rsplit_once(':').ok_or(WRONG)?;
        let (address, here) = match here.rsplit_once(':') {
            Some((address, here)) => (address.parse().map_err(|_| WRONG)?, here),
            None => (Ipv4Addr::LOCALHOST, here),
        };
        Ok(Self { here: SocketAddrV4::new(address, port(here)?), there: port(there)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_may_have_names() {
        let disk = |text: &str| {
            let Named { name, value } = text.parse::<Named<PathBuf>>().unwrap();
            (name.map(|name| name.to_string()), value.display().to_string())
        };
        assert_eq!(disk("a.img"), (None, "a.img".into()));
        assert_eq!(disk("store=/dev/a=b"), (Some("store".into()), "/dev/a=b".into()));
        assert_eq!(disk("./store=a"), (None, "./store=a".into()), "a path with a dot or a slash is no name");
    }

    #[test]
    fn networks_are_user_or_tap() {
        let net = |text: &str| text.parse::<Named<Net>>().map(|named| (named.name.map(|n| n.to_string()), named.value));
        assert_eq!(net("user"), Ok((None, Net::User)));
        assert_eq!(net("tap=tap0"), Ok((None, Net::Tap("tap0".into()))));
        assert_eq!(net("inside=tap=tap0"), Ok((Some("inside".into()), Net::Tap("tap0".into()))));
        for wrong in ["", "bridge", "tap=", "tap=a,script=/bin/sh", "tap=0123456789abcdef", "tap=a/b", "net=x"] {
            assert!(net(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ports_are_published_on_loopback_unless_told() {
        let publish = |text: &str| text.parse::<Publish>().map(|p| (p.here.to_string(), p.there));
        assert_eq!(publish("8080:80"), Ok(("127.0.0.1:8080".into(), 80)));
        assert_eq!(publish("0.0.0.0:443:8443"), Ok(("0.0.0.0:443".into(), 8443)));
        for wrong in ["80", "0:80", "80:0", "a:80", ":80", "[::1]:80:80", "80:80:80", "localhost:80:80", "65536:1"] {
            assert!(publish(wrong).is_err(), "{wrong}");
        }
    }
}
