//! The `pidflow` binary; everything is in the library beside it.

fn main() -> std::process::ExitCode {
    pidflow_agent::run()
}
