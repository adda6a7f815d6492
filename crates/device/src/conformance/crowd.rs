//! Many flows.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{BACKLOG, World, bytes, done, meet, receive, same, send};
use crate::Listener;

/// Clients that all connect before any is accepted are all accepted, each as who it is.
pub async fn a_backlog_loses_nobody<W: World>(world: &W) {
    let (mut listener, address) = done("listen", world.listen().await);
    let clients = together((0..BACKLOG).map(|_| world.connect(&address)).collect()).await;
    let mut clients: Vec<_> = clients.into_iter().map(|client| done("connect", client)).collect();
    world.settle().await;
    for (i, (client, _)) in clients.iter_mut().enumerate() {
        done("write", client.write_all(&i.to_le_bytes()).await);
    }
    let mut servers = Vec::new();
    let mut seen = vec![false; BACKLOG];
    for _ in 0..BACKLOG {
        let (mut server, peer) = done("accept", listener.accept().await);
        let mut number = [0; size_of::<usize>()];
        done("read a number", server.read_exact(&mut number).await);
        let number = usize::from_le_bytes(number);
        assert!(number < BACKLOG && !std::mem::replace(&mut seen[number], true), "client {number} came twice");
        assert_eq!(peer, clients[number].1, "client {number} is somebody else");
        done("write", server.write_all(&number.to_be_bytes()).await);
        servers.push(server);
    }
    for (i, (client, _)) in clients.iter_mut().enumerate() {
        let mut number = [0; size_of::<usize>()];
        done("read a number", client.read_exact(&mut number).await);
        assert_eq!(usize::from_be_bytes(number), i, "the answer of another");
    }
}

/// What flows carry at the same time stays apart.
pub async fn flows_at_once_do_not_mix<W: World>(world: &W) {
    let (mut listener, address) = done("listen", world.listen().await);
    let mut flows = Vec::new();
    for seed in 0..24 {
        let (mut client, mut server) = meet(world, &mut listener, &address).await;
        flows.push(async move {
            let (there, back) = (bytes(seed, 200_000), bytes(seed + 1000, 150_000));
            let asking = async {
                send(&mut client, &there).await;
                receive(&mut client).await
            };
            let answering = async {
                let got = receive(&mut server).await;
                send(&mut server, &back).await;
                got
            };
            let (at_client, at_server) = tokio::join!(asking, answering);
            same("to the server", &at_server, &there);
            same("to the client", &at_client, &back);
        });
    }
    together(flows).await;
}

/// A wait for a flow that is given up takes none away.
pub async fn accepting_can_be_given_up<W: World>(world: &W) {
    let (mut listener, address) = done("listen", world.listen().await);
    for round in 0..5 {
        for _ in 0..3 {
            let mut waiting = pin!(listener.accept());
            let met = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
            assert!(!met, "round {round}: nobody has connected");
        }
        let (client, me) = done("connect", world.connect(&address).await);
        world.settle().await;
        let (server, peer) = done("accept", listener.accept().await);
        assert_eq!(peer, me);
        drop((client, server));
    }
}

/// Opening and closing flows, in any order and with bytes under way, takes nothing for good.
pub async fn opening_and_closing_leaves_nothing<W: World>(world: &W) {
    let (mut listener, address) = done("listen", world.listen().await);
    let before = world.held();
    for round in 0..400 {
        let (mut client, mut server) = meet(world, &mut listener, &address).await;
        match round % 4 {
            0 => drop((client, server)),
            1 => drop((server, client)),
            2 => {
                done("write", client.write_all(b"unread").await);
                drop(client);
                drop(server);
            }
            _ => {
                let asking = async {
                    send(&mut client, b"question").await;
                    receive(&mut client).await
                };
                let answering = async {
                    let got = receive(&mut server).await;
                    send(&mut server, &got).await;
                };
                let (answer, ()) = tokio::join!(asking, answering);
                assert_eq!(answer, b"question", "round {round}");
            }
        }
    }
    let mut looks = 0;
    while world.held() > before {
        looks += 1;
        assert!(looks < 100, "400 flows were opened and closed; of them {} stay", world.held() - before);
        world.settle().await;
    }
}

/// Does all of it at the same time; the results are in order.
async fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    enum Part<F: Future> {
        Waits(Pin<Box<F>>),
        Done(F::Output),
    }
    let mut parts: Vec<Part<F>> = futures.into_iter().map(|future| Part::Waits(Box::pin(future))).collect();
    poll_fn(|cx| {
        let mut waits = false;
        for part in &mut parts {
            if let Part::Waits(future) = part {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *part = Part::Done(value),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    parts.into_iter().filter_map(|part| if let Part::Done(value) = part { Some(value) } else { None }).collect()
}
