//! `pasteur unikernel inspect`: what an image says of itself.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;

use device::manifest::image::Image;
use device::manifest::{Device, Kind};
use serde::Serialize;

use super::InspectArgs;
use crate::failure::Failure;
use crate::human;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    image: &'a Path,
    size: u64,
    entry: u64,
    memory: u64,
    least_memory: Option<u64>,
    devices: Vec<Described<'a>>,
}

#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    kind: String,
    required: bool,
    read_only: bool,
}

pub(super) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let image = read(&args.image)?;
    let devices = image.manifest.devices();
    let memory = image.memory.end - image.memory.start;
    if args.output.json {
        return crate::print_json(&Report {
            image: &args.image,
            size: image.size,
            entry: image.entry,
            memory,
            least_memory: (image.least > 0).then_some(image.least),
            devices: devices.iter().map(Described::of).collect(),
        });
    }
    let heap = match image.least {
        0 => "a heap".to_owned(),
        least => format!("a heap: {} of the machine's at least", human::size(least)),
    };
    let mut text = format!(
        "Size      {}\nMemory    {}, and {heap}\nEntry     {:#x}, by PVH\n",
        human::size(image.size),
        human::size(memory),
        image.entry
    );
    for device in devices {
        let heading = match device.kind {
            Kind::Disk => "Disk",
            Kind::Card => "Card",
        };
        let required = if device.required { "required" } else { "optional" };
        let read_only = if device.read_only { ", read-only" } else { "" };
        // A string takes everything.
        let _ = writeln!(text, "{heading:<10}{}, {required}{read_only}", device.name);
    }
    crate::print(&text)
}

/// Reads what an image says.
pub(super) fn read(path: &Path) -> Result<Image, Failure> {
    let file = File::open(path).map_err(|error| Failure::local("cannot read", path, error))?;
    Image::read(file).map_err(|error| Failure::Image { path: path.to_owned(), error })
}

impl<'a> Described<'a> {
    fn of(Device { name, kind, required, read_only }: &'a Device) -> Self {
        Self { name: name.as_str(), kind: kind.to_string(), required: *required, read_only: *read_only }
    }
}
