//! The browser's buffers: copied into ours, and let go of when they are done with.
//!
//! A tab's garbage is collected when the browser sees fit, and buffers of a megabyte come by hundreds a second: left to it
//! they are what a tab's memory grows by. So each is given back where its bytes have been used.

use alloc::vec::Vec;

use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::{MessageChannel, MessagePort};

/// A JavaScript buffer's bytes in our memory, in a buffer that is used again.
pub(crate) fn copy_into(buffer: &mut Vec<u8>, bytes: &Uint8Array) {
    buffer.resize(bytes.length() as usize, 0);
    bytes.copy_to(buffer);
}

/// Frees a buffer's memory now; whoever still has the buffer finds it empty.
pub(crate) fn release(buffer: &ArrayBuffer) {
    NOBODY.with(|port| {
        if let Some(port) = port {
            let _ = port.post_message_with_transferable(&JsValue::NULL, &Array::of1(buffer));
        }
    });
}

thread_local! {
    /// A port whose other end is closed: what is handed over there is gone. `ArrayBuffer.prototype.transfer` would be simpler,
    /// but Chromium keeps the memory of a buffer of its own making (an opened segment, a slice of a file) past that.
    static NOBODY: Option<MessagePort> = MessageChannel::new().ok().map(|channel| {
        channel.port2().close();
        channel.port1()
    });
}
