//! A cable between a machine and this process, whose end is a network stack of ours: what passes is lost, repeated and reordered as a test
//! says. Ports of this machine lead over it to the machine's.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;

use device::Ethernet;
use device::sim::{SimEthernet, SimRandom, WireTrouble};
use netstack::{Config, Netstack};
use tokio::io::copy_bidirectional;

use crate::machine::{Machine, Setup};

/// The addresses of both ends, with their network.
const HERE: &str = "10.0.0.1/24";
const THERE: &str = "10.0.0.2/24";

/// The machine's end of the cable is a socket of QEMU's, and ours one of this process.
pub(crate) struct Wire {
    socket: Arc<UnixDatagram>,
    theirs: PathBuf,
}

impl Wire {
    /// A machine that serves behind such a cable.
    pub(crate) fn boot(folder: &Path, setup: Setup<'_>, trouble: WireTrouble) -> (Machine, Self) {
        let (ours, theirs) = (folder.join("ours"), folder.join("theirs"));
        let socket = Arc::new(UnixDatagram::bind(&ours).unwrap());
        let card = format!(
            "dgram,local.type=unix,local.path={},remote.type=unix,remote.path={}",
            theirs.display(),
            ours.display()
        );
        let mut machine = Setup { cards: vec![card], ..setup }.words(&format!("--ipv4 {THERE}")).start();
        machine.until("listening on http");
        let wire = Self { socket, theirs };
        let (end, cable) = SimEthernet::pair(trouble);
        wire.pump(cable);
        (machine.public, machine.admin) = proxy(end);
        (machine, wire)
    }

    /// Puts a frame on the cable; it waits while the machine is slow.
    pub(crate) fn send(&self, frame: &[u8]) {
        // The machine may be gone.
        let _ = self.socket.send_to(frame, &self.theirs);
    }

    /// Moves frames between QEMU and our end of the cable.
    fn pump(&self, cable: SimEthernet) {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        // Both threads have the same end: a lock is held for a call only.
        let cable = Arc::new(std::sync::Mutex::new(cable));
        let (socket, shared) = (Arc::clone(&self.socket), Arc::clone(&cable));
        std::thread::spawn(move || {
            let mut frame = [0; 2048];
            while let Ok(size) = socket.recv(&mut frame) {
                // A full cable loses frames, as cables do; a frame that is too long is no frame.
                let _ = shared.lock().unwrap().send(&frame[..size]);
            }
        });
        let (socket, theirs) = (Arc::clone(&self.socket), self.theirs.clone());
        std::thread::spawn(move || {
            let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
            let mut frame = [0; 2048];
            loop {
                let received = cable.lock().unwrap().receive(&mut frame).unwrap();
                match received {
                    Some(size) => drop(socket.send_to(&frame[..size], &theirs)),
                    None => {
                        cable.lock().unwrap().register(&waker);
                        std::thread::park();
                    }
                }
            }
        });
    }
}

/// A stack at our end, and two ports of this machine that lead through it: to the public listener, and to the admin's.
fn proxy(end: SimEthernet) -> (u16, u16) {
    let ports = [80, 9000].map(|there| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        (listener, there)
    });
    let port = |index: usize| ports[index].0.local_addr().unwrap().port();
    let both = (port(0), port(1));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let config = Config::default().address(HERE.parse().unwrap());
            let (stack, driver) = Netstack::new(end, &SimRandom::new(7), config).unwrap();
            for (listener, there) in ports {
                tokio::spawn(forward(listener, stack.clone(), there));
            }
            let failed = driver.await;
            panic!("the cable fails: {failed}");
        });
    });
    both
}

async fn forward(listener: TcpListener, stack: Netstack, port: u16) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((mut here, _)) = listener.accept().await {
        let stack = stack.clone();
        tokio::spawn(async move {
            let to = SocketAddr::new("10.0.0.2".parse().unwrap(), port);
            // Where there is no connection, or it breaks off, its client sees that.
            if let Ok(mut there) = stack.connect(to).await {
                let _ = copy_bidirectional(&mut here, &mut there).await;
            }
        });
    }
}
