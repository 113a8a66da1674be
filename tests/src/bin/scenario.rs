//! `scenario NAME --truth FILE [--option value]…`: makes the traffic of one scenario and writes down what is true about it.

use std::process::ExitCode;

fn main() -> ExitCode {
    match pidflow_tests::scenario::main(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scenario: {error:#}");
            ExitCode::FAILURE
        }
    }
}
