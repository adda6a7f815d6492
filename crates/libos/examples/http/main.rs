//! A page over HTTP, on the library operating system alone.

#[cfg(target_os = "hermit")]
mod server;

libos::manifest![card("net")];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(target_os = "hermit")]
    server::serve()?;
    #[cfg(not(target_os = "hermit"))]
    println!("this program is a kernel: build it for x86_64-unknown-hermit");
    Ok(())
}
