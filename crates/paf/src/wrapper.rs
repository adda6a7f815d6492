//! What flows around flows have in common.

/// The rest of an [`AsyncWrite`](tokio::io::AsyncWrite) whose field `flow` is written to: how it is flushed and shut down.
macro_rules! flush_and_shut_down {
    () => {
        fn is_write_vectored(&self) -> bool {
            self.flow.is_write_vectored()
        }

        fn poll_flush(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.flow).poll_flush(cx)
        }

        fn poll_shutdown(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.flow).poll_shutdown(cx)
        }
    };
}

pub(crate) use flush_and_shut_down;
