//! The stop switch of a service.

use tokio::sync::watch;

/// A switch that is pulled once and seen by all who hold a copy.
#[derive(Clone, Debug)]
pub struct Stop {
    pulled: watch::Sender<bool>,
}

impl Stop {
    /// A switch not yet pulled.
    #[must_use]
    pub fn new() -> Self {
        Self { pulled: watch::Sender::new(false) }
    }

    /// Pulls it. Pulling it again changes nothing.
    pub fn pull(&self) {
        self.pulled.send_replace(true);
    }

    /// Whether it was pulled.
    #[must_use]
    pub fn is_pulled(&self) -> bool {
        *self.pulled.borrow()
    }

    /// Waits until it is pulled. Cancel safe.
    pub async fn pulled(&self) {
        // Fails only when every sender is gone, and `self` is one.
        let _ = self.pulled.subscribe().wait_for(|&pulled| pulled).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}
