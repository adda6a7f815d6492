//! HTTP services over any TCP/IP stack.
