//! `causeway cert`: a private CA, certificates for domains, and what a certificate says.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Ended, Streams, today};
use crate::imps::Domain;
use crate::net::{certificate, pki};

/// Words of the verb.
#[derive(Subcommand, Debug)]
pub enum Words {
    /// Make a CA: ca.pem and ca.key in DIR, good for ten years
    Ca {
        /// Where; made if it is missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Replace a CA that is there
        #[arg(long)]
        force: bool,
    },
    /// Issue a certificate from the CA in DIR: DOMAIN.pem and DOMAIN.key, good for a year, both directions
    Issue {
        /// Where the CA is, and the certificate goes
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The names of the certificate; the files are named after the first
        #[arg(value_name = "DOMAIN", required = true)]
        domains: Vec<Domain>,
        /// Replace a certificate that is there
        #[arg(long)]
        force: bool,
    },
    /// Say in plain words what the certificates in a file are good for
    Show {
        /// PEM
        file: PathBuf,
    },
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    match words {
        Words::Ca { folder, force } => list(&pki::create_ca(folder, *force)?, streams)?,
        Words::Issue { folder, domains, force } => list(&pki::issue(folder, domains, *force)?, streams)?,
        Words::Show { file } => {
            let shown = certificate::show(file, today()).map_err(|wrong| match wrong {
                certificate::FactsError::File { .. } => anyhow::Error::new(wrong),
                other => anyhow::Error::msg(format!("{} {other}", file.display())),
            })?;
            write!(streams.output, "{shown}")?;
        }
    }
    Ok(Ended::Done)
}

/// One line a file that was written.
fn list(files: &[PathBuf], streams: &mut Streams<'_>) -> anyhow::Result<()> {
    for file in files {
        writeln!(streams.output, "{}", file.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, run};
    use super::super::{DONE, FAILED, USAGE};

    #[test]
    fn a_ca_issues_certificates_and_keeps_what_is_there() {
        let folder = Folder::new("cert");
        let certs = folder.path("certs");
        let (code, output, errors) = run(&["cert", "issue", &certs, "north.example"], "");
        assert_eq!((code, output.as_str()), (FAILED, ""));
        assert!(errors.starts_with("causeway: ") && errors.contains("causeway cert ca"), "{errors}");
        assert_eq!(errors.lines().count(), 1);

        let (code, output, _) = run(&["cert", "ca", &certs], "");
        assert_eq!((code, output), (DONE, format!("{certs}/ca.pem\n{certs}/ca.key\n")));
        let (code, output, _) = run(&["cert", "issue", &certs, "north.example", "east.example"], "");
        assert_eq!((code, output), (DONE, format!("{certs}/north.example.pem\n{certs}/north.example.key\n")));

        let before = std::fs::read(folder.path("certs/ca.pem")).unwrap();
        let (code, _, errors) = run(&["cert", "ca", &certs], "");
        assert_eq!(code, FAILED);
        assert!(errors.contains("--force"), "{errors}");
        assert_eq!(before, std::fs::read(folder.path("certs/ca.pem")).unwrap());
        assert_eq!(run(&["cert", "issue", &certs, "north.example", "--force"], "").0, DONE);
        assert_eq!(run(&["cert", "issue", &certs, "not a domain"], "").0, USAGE);
    }

    #[test]
    fn a_certificate_is_shown_in_plain_words() {
        let folder = Folder::new("cert-show");
        let certs = folder.path("certs");
        run(&["cert", "ca", &certs], "");
        run(&["cert", "issue", &certs, "north.example"], "");
        let (code, output, _) = run(&["cert", "show", &folder.path("certs/north.example.pem")], "");
        assert_eq!(code, DONE);
        for words in ["north.example", "serverAuth, clientAuth", "days left", "sha256/"] {
            assert!(output.contains(words), "{words} is missing in {output}");
        }
        let (code, _, errors) = run(&["cert", "show", &folder.write("text", "hello")], "");
        assert_eq!(code, FAILED);
        assert!(errors.ends_with("text holds no certificate\n"), "{errors}");
        let (code, _, errors) = run(&["cert", "show", &folder.path("none")], "");
        assert_eq!(code, FAILED);
        assert!(errors.contains("none: No such file"), "{errors}");
    }
}
