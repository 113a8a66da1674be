//! `pidflow generate`: man page and completions, from the definition of the command line.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::print;
use crate::cli::{Cli, Generate, GenerateArgs};
use crate::failure::Failure;

/// Prints what was asked for.
pub(crate) fn execute(args: &GenerateArgs) -> Result<(), Failure> {
    let mut out = Vec::new();
    match args.what {
        Generate::Man => man(&mut out)?,
        Generate::Completions { shell } => completions(shell, &mut out),
    }
    print(&out)
}

fn completions(shell: Shell, out: &mut Vec<u8>) {
    clap_complete::generate(shell, &mut Cli::command(), "pidflow", out);
}

/// The whole command in one page, with a section of its own for each subcommand.
fn man(out: &mut Vec<u8>) -> io::Result<()> {
    let root = Cli::command();
    let page = Man::new(root.clone()).section("1").manual("pidflow manual");
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_subcommands_section(out)?;
    root.get_subcommands().filter(|c| !c.is_hide_set()).try_for_each(|c| subcommand(c, out))?;
    page.render_extra_section(out)?;
    page.render_version_section(out)
}

fn subcommand(command: &Command, out: &mut Vec<u8>) -> io::Result<()> {
    let name = format!("pidflow {}", command.get_name());
    writeln!(out, ".SH \"{}\"", name.to_uppercase())?;
    let page = Man::new(command.clone().bin_name(name));
    for section in [render(&page, Man::render_synopsis_section)?, render(&page, Man::render_options_section)?] {
        out.write_all(section.replace(".SH ", ".SS ").as_bytes())?;
    }
    Ok(())
}

fn render(page: &Man, section: impl Fn(&Man, &mut dyn Write) -> io::Result<()>) -> io::Result<String> {
    let mut text = Vec::new();
    section(page, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
