//! The address that a DHCP server has given.

use std::net::Ipv4Addr;
use std::task::{Context, Poll};

use smoltcp::socket::dhcpv4::{Event, Socket};
use smoltcp::wire::IpCidr;

use super::Core;
use crate::config::Cidr;
use crate::guard;

impl Core {
    /// Takes over what the server has given, or taken back (RFC 2131). An address that no host may have is not taken, nor such a router.
    pub(super) fn settle_lease(&mut self) {
        let Some(handle) = self.dhcp else { return };
        let lease = match self.sockets.get_mut::<Socket<'_>>(handle).poll() {
            None => return,
            Some(Event::Configured(lease)) => Some((lease.address, lease.router)),
            Some(Event::Deconfigured) => None,
        };
        let lease = lease.filter(|(cidr, _)| guard::is_a_hosts4_in(cidr.address(), cidr.prefix_len()));
        let lease =
            lease.map(|(cidr, router)| (IpCidr::Ipv4(cidr), router.filter(|router| guard::is_a_hosts4(*router))));
        let (old, new) = (self.leased, lease.map(|(address, _)| address));
        self.leased = new;
        self.interface.update_ip_addrs(|addresses| {
            addresses.retain(|address| Some(*address) != old);
            if let Some(new) = new {
                // There is room for more than a configuration takes.
                let _ = addresses.push(new);
            }
        });
        match lease.and_then(|(_, router)| router) {
            Some(router) => self.route4(router),
            // A router that was set up by hand stays until a server names one.
            None if old.is_none() => {}
            None => {
                self.interface.routes_mut().remove_default_ipv4_route();
            }
        }
        self.tell_addressed();
    }

    /// Has the way to other networks of IPv4 lead by this router. It has its place among the routes, however many routers of IPv6 there are.
    pub(super) fn route4(&mut self, router: Ipv4Addr) {
        let routes = self.interface.routes_mut();
        if routes.add_default_ipv4_route(router).is_err() {
            routes.update(|routes| {
                routes.pop();
            });
            let added = routes.add_default_ipv4_route(router);
            debug_assert!(added.is_ok(), "there is a place that was just made");
        }
    }

    /// Has those look who wait for an address.
    pub(super) fn tell_addressed(&mut self) {
        for waker in self.addressed.drain(..) {
            waker.wake();
        }
    }

    pub(crate) fn addresses(&self) -> Vec<Cidr> {
        let cidrs = self.interface.ip_addrs().iter();
        cidrs.map(|cidr| Cidr { address: cidr.address().into(), prefix: cidr.prefix_len() }).collect()
    }

    pub(crate) fn poll_addressed(&mut self, cx: &Context<'_>) -> Poll<Vec<Cidr>> {
        if self.interface.ip_addrs().iter().any(|address| Some(*address) != self.link) || self.failed {
            return Poll::Ready(self.addresses());
        }
        self.register_addressed(cx);
        Poll::Pending
    }

    pub(crate) fn poll_other_addresses(&mut self, known: &[Cidr], cx: &Context<'_>) -> Poll<Vec<Cidr>> {
        let addresses = self.addresses();
        if addresses != known {
            return Poll::Ready(addresses);
        }
        self.register_addressed(cx);
        Poll::Pending
    }

    fn register_addressed(&mut self, cx: &Context<'_>) {
        if !self.addressed.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.addressed.push(cx.waker().clone());
        }
    }
}
