//! The `retainers` command.

#[global_allocator]
static ALLOCATOR: retainers::ending::Allocator = retainers::ending::Allocator;

fn main() -> std::process::ExitCode {
    retainers::cli::main()
}
