//! A source of entropy (5.4).

use super::queue::{Part, Queue, Slots};
use super::{AnyTransport, Error, begin, ready};

/// Most bytes of one answer.
pub(crate) const MOST: usize = 64;

/// The device.
pub(crate) struct Rng {
    transport: AnyTransport,
    queue: Queue,
}

impl Rng {
    /// Starts the device.
    pub(crate) fn new(mut transport: AnyTransport) -> Result<Self, Error> {
        begin(&*transport, 0)?;
        let queue = Queue::new(&mut *transport, 0, Slots { count: 1, parts: 1, size: MOST })?;
        ready(&*transport);
        Ok(Self { transport, queue })
    }

    /// Asks for entropy; what was asked for before is not asked again.
    pub(crate) fn ask(&mut self) {
        if let Ok(Some(slot)) = self.queue.slot() {
            self.queue.submit(slot, &[Part { at: 0, size: MOST, filled: true }]);
            self.queue.notify(&*self.transport);
        }
    }

    /// The answer, once it is there: how many bytes of `out` it filled, which may be few.
    pub(crate) fn answer(&mut self, out: &mut [u8; MOST]) -> Result<Option<usize>, Error> {
        self.transport.acknowledge();
        let Some((slot, wrote)) = self.queue.take()? else { return Ok(None) };
        let wrote = wrote as usize;
        self.queue.load(slot, 0, &mut out[..wrote]);
        self.queue.store(slot, 0, &[0; MOST]);
        self.queue.release(slot);
        Ok(Some(wrote))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_the_device_says() {
        let fake = Fake::new(4, &[], |chain| {
            chain.write(&[7; 20]);
            Some((chain.head.into(), 20))
        });
        let mut rng = Rng::new(fake.transport()).unwrap();
        let mut out = [1; MOST];
        assert_eq!(rng.answer(&mut out), Ok(None), "nothing was asked");
        for _ in 0..3 {
            rng.ask();
            assert_eq!(rng.answer(&mut out), Ok(Some(20)));
            assert_eq!((&out[..20], &out[20..]), (&[7; 20][..], &[1; 44][..]));
        }
    }

    #[test]
    fn one_question_at_a_time() {
        let fake = Fake::new(4, &[], |_| None);
        let mut rng = Rng::new(fake.transport()).unwrap();
        rng.ask();
        rng.ask();
        assert_eq!(fake.state().held.len(), 1);
        fake.used(0, 0, 65);
        assert_eq!(rng.answer(&mut [0; MOST]), Err(Error::Answer));
    }
}
