//! TLS: only servers with a certificate of the cluster's authority are told the token.

use pidflow_tests::skip::without_root;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::fake::Fake;
use crate::run::{NODE, Run, pod};
use crate::world::PODS;

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn only_the_authority_of_the_cluster_is_trusted() {
    if without_root("only_the_authority_of_the_cluster_is_trusted") {
        return;
    }
    let (right, wrong) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &right).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let fake = Fake::with_tls("t", vec![certificate.der().clone()], private);
    fake.world(|world| world.put(PODS, pod("a-1", NODE, "127.24.0.1", "2026-01-01T00:00:00Z")));

    let account = tempfile::tempdir().unwrap();
    let authority_file = account.path().join("ca.crt");
    std::fs::write(account.path().join("token"), "t").unwrap();
    std::fs::write(&authority_file, wrong.pem()).unwrap();
    let run = Run::with_account(&fake, account, &["--kubernetes", "api", "--probes", "poll"]);
    run.wait_log("invalid peer certificate");
    run.wait_readyz("the wrong authority", |said| said.contains("Kubernetes pods: not seen"));
    assert_eq!(fake.world(|world| world.asked.len()), 0, "the token was not sent");
    // The right one is taken without a restart, as Kubernetes writes it after it has replaced the authority.
    std::fs::write(&authority_file, right.pem()).unwrap();
    run.wait_readyz("the right authority", |said| !said.contains("Kubernetes"));
    assert_eq!(run.pods_of(&["127.24.0.1".parse().unwrap()]), [Some("a-1".to_owned())]);
}
