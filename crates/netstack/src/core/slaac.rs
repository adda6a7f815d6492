//! Addresses that follow from what routers advertise (RFC 4862): smoltcp's, with what it leaves out.

use std::time::Duration;

use smoltcp::wire::{HardwareAddress, IpCidr, Ipv6Address, Ipv6Cidr};

use super::Core;

/// How often smoltcp is asked whether routers are to be asked again, and whether what they said is over.
const LOOK: Duration = Duration::from_secs(1);

/// The address on the link itself (RFC 4291 section 2.5.6). smoltcp asks routers from it, and has none by itself.
pub(super) fn link_address(card: HardwareAddress) -> Option<IpCidr> {
    let link = Ipv6Cidr::new(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64);
    Ipv6Cidr::from_link_prefix(&link, card).map(IpCidr::Ipv6)
}

/// When smoltcp is to be asked next. In 0.14 it says never where no socket has a timer, and at once for ever where no router has
/// answered (`iface/interface/mod.rs`, `poll_at`; `iface/slaac.rs`, `poll_at`): that is after a second.
pub(super) fn wait(said: Option<Duration>) -> Option<Duration> {
    Some(said.filter(|wait| !wait.is_zero()).unwrap_or(LOOK).min(LOOK))
}

impl Core {
    /// Tells those who wait that smoltcp has taken over what a router advertised.
    pub(super) fn settle_advertised(&mut self) {
        let now = self.interface.slaac_updated_at();
        if now != self.advertised {
            self.advertised = now;
            self.tell_addressed();
        }
    }
}
