//! Clients of HTTP/1.1, good and bad.

use std::time::Duration;

use device::sim::SimFlow;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::time::sleep;

use super::answers::{Answers, Asked, Got};
use super::handler::pattern;
use super::world::{Dice, World};

/// A request as bytes, and its answer.
pub(crate) fn request(id: u64, dice: &mut Dice) -> (Vec<u8>, Asked) {
    let upgrade = if dice.below(6) == 0 { "connection: upgrade\r\nupgrade: other\r\n" } else { "" };
    match dice.below(6) {
        0 => {
            let millis = dice.below(5000);
            let text = format!("GET /wait/{id}/{millis} HTTP/1.1\r\nhost: a\r\n{upgrade}\r\n");
            (text.into_bytes(), Asked::give(id, 10))
        }
        1 | 2 => {
            let body = pattern(id, dice.below(20_000) as usize);
            let mut bytes =
                format!("POST /echo/{id}/0 HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
            bytes.extend(&body);
            (bytes, Asked { id, expected: body })
        }
        3 => {
            let body = pattern(id, dice.below(2000) as usize);
            let mut bytes =
                format!("POST /echo/{id}/0 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
            for chunk in body.chunks(1 + dice.below(300) as usize) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
            (bytes, Asked { id, expected: body })
        }
        _ => {
            let size = [0, 1, 100, 5000, 60_000][dice.below(5) as usize];
            let text = format!("GET /give/{id}/{size} HTTP/1.1\r\nhost: a\r\n{upgrade}\r\n");
            (text.into_bytes(), Asked::give(id, size))
        }
    }
}

/// Lives one client's life.
pub(crate) async fn client(world: World, mut dice: Dice) {
    sleep(dice.millis(20_000)).await;
    let Ok(flow) = world.stack.connect(world.at) else {
        assert!(world.stop.is_pulled(), "nobody listens");
        return;
    };
    let (read, mut write) = tokio::io::split(flow);
    let mut answers = Answers::new(read);
    match dice.below(10) {
        0 => one_after_another(&world, &mut dice, &mut write, &mut answers).await,
        1 | 2 => all_at_once(&world, &mut dice, &mut write, &mut answers, false).await,
        3 => all_at_once(&world, &mut dice, &mut write, &mut answers, true).await,
        4 => in_pieces(&world, &mut dice, &mut write, &mut answers).await,
        5 => stalls(&world, &mut dice, write, answers).await,
        6 => resets(&world, &mut dice, write, answers).await,
        7 => does_not_read(&world, &mut dice, write, answers).await,
        8 => talks_nonsense(&world, &mut dice, write, answers).await,
        // Says nothing, and waits to be let go.
        _ => {
            let refusals = answers.rest().await;
            note(&world, Got { refusals, ended: true, ..Got::default() });
            drop(write);
        }
    }
}

/// Keeps what happened; who was in nobody's way must have got everything.
fn finish(world: &World, got: Got, asked: usize) {
    if world.is_kind && !world.stop.is_pulled() {
        assert_eq!(got.answers, asked, "a good client was not answered: {got:?}");
    }
    note(world, got);
}

fn note(world: &World, got: Got) {
    let mut seen = world.seen.lock().unwrap();
    seen.answers += got.answers;
    seen.refusals += got.refusals;
    seen.cuts += usize::from(got.ended);
}

async fn one_after_another(
    world: &World,
    dice: &mut Dice,
    write: &mut WriteHalf<SimFlow>,
    answers: &mut Answers<SimFlow>,
) {
    for _ in 0..1 + dice.below(8) {
        let (bytes, asked) = request(world.id(), dice);
        let sent = write.write_all(&bytes).await;
        let got = answers.check(&[asked]).await;
        assert!(sent.is_ok() || got.ended, "a broken connection goes on");
        finish(world, got, 1);
        if got.ended {
            return;
        }
        sleep(dice.millis(3000)).await;
    }
}

/// Requests that queue on the connection; with `half_close`, the client says then that there are no more.
async fn all_at_once(
    world: &World,
    dice: &mut Dice,
    write: &mut WriteHalf<SimFlow>,
    answers: &mut Answers<SimFlow>,
    half_close: bool,
) {
    let (bytes, asked): (Vec<_>, Vec<_>) = (0..1 + dice.below(8)).map(|_| request(world.id(), dice)).unzip();
    let bytes = bytes.concat();
    let sending = async {
        let _ = write.write_all(&bytes).await;
        if half_close {
            let _ = write.shutdown().await;
        }
    };
    let ((), got) = tokio::join!(sending, answers.check(&asked));
    finish(world, got, asked.len());
    if half_close && !got.ended {
        assert_eq!(answers.rest().await, 0);
    }
}

/// A request that comes in pieces with pauses, but fast enough.
async fn in_pieces(world: &World, dice: &mut Dice, write: &mut WriteHalf<SimFlow>, answers: &mut Answers<SimFlow>) {
    let (bytes, asked) = request(world.id(), dice);
    let sending = async {
        let (head, body) = bytes.split_at(20.min(bytes.len()));
        for byte in head.chunks(1) {
            let _ = write.write_all(byte).await;
            sleep(Duration::from_millis(100)).await;
        }
        for piece in body.chunks(1 + body.len() / 20) {
            let _ = write.write_all(piece).await;
            sleep(Duration::from_millis(200)).await;
        }
    };
    let ((), got) = tokio::join!(sending, answers.check(std::slice::from_ref(&asked)));
    finish(world, got, 1);
}

/// Stops in the middle of a request, and waits. The service has to end it.
async fn stalls(world: &World, dice: &mut Dice, mut write: WriteHalf<SimFlow>, mut answers: Answers<SimFlow>) {
    let (bytes, asked) = request(world.id(), dice);
    let _ = write.write_all(&bytes[..dice.below(bytes.len() as u64) as usize]).await;
    let got = answers.check(std::slice::from_ref(&asked)).await;
    assert_eq!(got.answers, 0, "half a request was answered");
    note(world, got);
    if !got.ended {
        answers.rest().await;
    }
    drop(write);
}

/// Breaks the connection at some moment.
async fn resets(world: &World, dice: &mut Dice, mut write: WriteHalf<SimFlow>, mut answers: Answers<SimFlow>) {
    let (bytes, asked): (Vec<_>, Vec<_>) = (0..1 + dice.below(4)).map(|_| request(world.id(), dice)).unzip();
    let bytes = bytes.concat();
    let sending = async {
        let _ = write.write_all(&bytes).await;
    };
    let checking = async { tokio::join!(sending, answers.check(&asked)).1 };
    match tokio::time::timeout(dice.millis(3000), checking).await {
        Ok(got) => note(world, got),
        Err(_) => answers.reset(write),
    }
}

/// Asks for much and takes nothing, then reads on to see what it was given.
async fn does_not_read(world: &World, dice: &mut Dice, mut write: WriteHalf<SimFlow>, mut answers: Answers<SimFlow>) {
    let asked: Vec<_> = (0..5).map(|_| Asked::give(world.id(), 60_000)).collect();
    let text: String = asked.iter().map(|a| format!("GET /give/{}/60000 HTTP/1.1\r\nhost: a\r\n\r\n", a.id)).collect();
    let _ = write.write_all(text.as_bytes()).await;
    sleep(dice.millis(300_000)).await;
    let got = answers.check(&asked).await;
    note(world, got);
    drop(write);
}

/// Bytes that are no HTTP, or almost.
async fn talks_nonsense(world: &World, dice: &mut Dice, mut write: WriteHalf<SimFlow>, mut answers: Answers<SimFlow>) {
    let (mut bytes, _) = request(world.id(), dice);
    for _ in 0..1 + dice.below(8) {
        let at = dice.below(bytes.len().min(60) as u64) as usize;
        bytes[at] = dice.below(256) as u8;
    }
    let _ = write.write_all(&bytes).await;
    let _ = write.shutdown().await;
    answers.drain().await;
    note(world, Got { ended: true, ..Got::default() });
}
