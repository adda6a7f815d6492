//! What the tests try with devices; its argument names it.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use device::image::BlockSource;
use device::{Block, Ethernet};
use docteur::{Cache, Image, Kind, Limits};
use libos::{Card, Disk};

/// Tries what the first argument names.
pub(crate) fn main() {
    let disks: Vec<_> = ["plain", "other", "fixed"].into_iter().filter_map(libos::disk).collect();
    let cards: Vec<_> = ["first", "second"].into_iter().filter_map(libos::card).collect();
    println!("{} disks, {} cards", disks.len(), cards.len());
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "write" => write(disks.into_iter().next().unwrap()),
        "read" => read(&disks[0]),
        "errors" => errors(&disks[0]),
        "config" => config(),
        "names" => println!("{disks:?} {cards:?}"),
        "arp" => cards.into_iter().for_each(ask),
        "stop" => stop(),
        "entropy" => println!("{:?}", std::collections::HashMap::from([(1, 2)])),
        other => println!("{other:?} is nothing that can be tried"),
    }
}

/// Tells which secrets there are on the disk that the command `pasteur unikernel run` makes of a certificate and its key.
fn config() {
    let source = BlockSource::new(libos::disk("config").unwrap()).unwrap();
    let image = Image::open(source, &Limits::default()).unwrap();
    let mut cache = Cache::new(0);
    for name in ["tls/cert.pem", "tls/key.pem"] {
        let entry = image.find(&mut cache, name.as_bytes()).unwrap().unwrap();
        let Kind::File(content) = entry.kind else { panic!("{name} is no file") };
        let bytes = image.read_all(&mut cache, &content, 1 << 20).unwrap();
        println!("{name}: {} bytes, {}", bytes.len(), String::from_utf8(bytes).unwrap().lines().next().unwrap());
    }
}

/// Counts seconds until it is asked to stop.
fn stop() {
    let asked = std::thread::spawn(libos::asked_to_stop);
    for second in 0..60 {
        println!("second {second}");
        if asked.is_finished() {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    println!("asked: {}, and again: {}", asked.join().unwrap(), libos::asked_to_stop());
}

/// Byte `at` of what is written.
fn pattern(at: u64) -> u8 {
    (at / 512 * 7 + at % 251) as u8
}

fn write(disk: Disk) {
    let disk = Arc::new(disk);
    let size = disk.len().unwrap();
    println!("{size} bytes");
    // More threads than the queue has slots; each writes pieces that begin and end within sectors.
    let workers: Vec<_> = (0..16u64)
        .map(|worker| {
            let disk = Arc::clone(&disk);
            std::thread::spawn(move || {
                let (start, end) = (size * worker / 16 + worker, size * (worker + 1) / 16 + worker + 1);
                let mut at = if worker == 0 { 0 } else { start };
                while at < end.min(size) {
                    let part = [1000, 70_001, 512, 4096, 3][at as usize % 5].min(end.min(size) - at);
                    let data: Vec<_> = (at..at + part).map(pattern).collect();
                    disk.write(at, &data).unwrap();
                    let mut back = vec![0; data.len()];
                    disk.read(at, &mut back).unwrap();
                    assert_eq!(data, back);
                    at += part;
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    disk.flush().unwrap();
    println!("written");
}

fn read(disk: &Disk) {
    let mut all = vec![0; disk.len().unwrap() as usize];
    disk.read(0, &mut all).unwrap();
    let wrong = (0..).zip(&all).find(|(at, byte)| pattern(*at) != **byte);
    println!("wrong: {wrong:?}");
    println!("{:?} {:?}", disk.read(disk.len().unwrap() - 1, &mut [0; 2]), disk.write(0, &[1]));
}

fn errors(disk: &Disk) {
    println!("read: {:?}", disk.read(0, &mut [0; 512]).map_err(|error| error.to_string()));
    println!("write: {:?}", disk.write(8192, &[1; 512]).map_err(|error| error.to_string()));
    for _ in 0..2 {
        println!("flush: {:?}", disk.flush().map_err(|error| error.to_string()));
    }
    println!("other: {:?}", disk.read(65536, &mut [0; 512]));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Asks who has 10.0.2.2, which QEMU's own network answers, more often than the ring has places.
fn ask(mut card: Card) {
    let mac = card.mac();
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend([10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2]);
    frame.resize(60, 0);
    let (start, mut answers, mut turns) = (Instant::now(), 0, 0);
    for _ in 0..200 {
        assert!(card.send(&frame).unwrap());
        card.flush();
        let mut out = [0; 1514];
        loop {
            turns += 1;
            match card.receive(&mut out).unwrap() {
                Some(size) if size >= 42 && out[12..14] == [8, 6] && out[28..32] == [10, 0, 2, 2] => {
                    break answers += 1;
                }
                Some(_) => {}
                None => {
                    card.register(&waker);
                    std::thread::park_timeout(Duration::from_secs(5));
                    assert!(start.elapsed() < Duration::from_secs(60), "the network is silent");
                }
            }
        }
    }
    println!("{mac:02x?}: {answers} answers, few turns: {}", turns < 2000);
}
