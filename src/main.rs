//! The `retainers` command.

fn main() -> std::process::ExitCode {
    retainers::cli::main()
}
