//! The `pidflow` binary; all code is in the library.

fn main() -> std::process::ExitCode {
    pidflow_agent::run()
}
