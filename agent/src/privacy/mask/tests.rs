//! Tables: ways in which programs take secrets, and ordinary command lines.

use super::*;

fn masked(arguments: &[&str]) -> String {
    mask_arguments(arguments).join(" ")
}

/// Every `hunter2` in an argument is the secret, and what else must still be there.
const SECRETS: &[(&[&str], &str)] = &[
    (&["curl", "-u", "bob:hunter2", "https://h/"], "curl -u bob:*** https://h/"),
    (&["curl", "-ubob:hunter2", "https://h/"], "curl -ubob:*** https://h/"),
    (&["curl", "--user=bob:hunter2", "https://h/"], "curl --user=bob:*** https://h/"),
    (
        &["curl", "-sSL", "-H", "Authorization: Bearer hunter2", "https://h/"],
        "curl -sSL -H Authorization: *** https://h/",
    ),
    (&["curl", "-HAuthorization: Basic hunter2=="], "-HAuthorization: ***"),
    (&["curl", "--header", "X-Vault-Token: hunter2"], "X-Vault-Token: ***"),
    (&["curl", "-H", "PRIVATE-TOKEN:hunter2"], "PRIVATE-TOKEN:***"),
    (&["curl", "-H", "Cookie: sid=hunter2; a=b"], "Cookie: ***"),
    (&["curl", "-b", "sid=hunter2", "https://h/"], "curl -b *** https://h/"),
    (&["curl", "-d", r#"{"user":"bob","password":"hunter2"}"#, "h"], r#"{"user":"bob","password":"***"}"#),
    (&["curl", "-d", r#"{"user": "bob", "apiKey" : "hun\"ter2 hunter2", "n": 1}"#], r#""n": 1}"#),
    (&["curl", "-d", "user=bob&password=hunter2&x=1", "h"], "user=bob&password=***&x=1"),
    (&["curl", "-F", "password=hunter2", "h"], "password=***"),
    (&["curl", "https://h/x?a=1&access_token=hunter2&b=2#c"], "https://h/x?a=1&access_token=***&b=2#c"),
    (&["curl", "https://h/x?token=hunter2"], "https://h/x?token=***"),
    (&["curl", "-x", "http://bob:hunter2@proxy:3128", "h"], "http://bob:***@proxy:3128"),
    (&["curl", "--oauth2-bearer", "hunter2", "h"], "--oauth2-bearer *** h"),
    (&["curl", "--cert", "c.pem:hunter2", "h"], "c.pem:***"),
    (&["wget", "--user=bob", "--password=hunter2", "h"], "wget --user=bob --password=*** h"),
    (&["wget", "--header=Authorization: token hunter2", "h"], "Authorization: *** h"),
    (&["wget", "--post-data=user=bob&pass=hunter2", "h"], "user=bob&pass=***"),
    (&["http", "-a", "bob:hunter2", "GET", "h"], "-a bob:*** GET h"),
    (&["http", "POST", "h", "X-API-Key:hunter2"], "X-API-Key:***"),
    (&["mysql", "-uroot", "-phunter2", "-hdb", "shop"], "mysql -uroot -p*** -hdb shop"),
    (&["/usr/bin/mysqldump", "-u", "root", "-phunter2", "shop"], "-u root -p*** shop"),
    (&["mysql", "--password=hunter2", "-e", "select 1"], "mysql --password=*** -e select 1"),
    (&["mysqladmin", "-u", "root", "password", "hunter2"], "password ***"),
    (&["mysql", "-e", "ALTER USER 'bob'@'h' IDENTIFIED BY 'hunter2'"], "IDENTIFIED BY '***'"),
    (&["psql", "postgres://bob:hunter2@db:5432/shop"], "postgres://bob:***@db:5432/shop"),
    (&["psql", "host=db user=bob password=hunter2 dbname=shop"], "host=db user=bob password=*** dbname=shop"),
    (&["psql", "-c", "CREATE ROLE bob WITH PASSWORD 'hunter2 hunter2' LOGIN"], "WITH PASSWORD '***' LOGIN"),
    (&["env", "PGPASSWORD=hunter2", "psql", "-h", "db"], "env PGPASSWORD=*** psql -h db"),
    (&["env", "FOO_TOKEN=hunter2, hunter2 & hunter2", "prog"], "env FOO_TOKEN=*** prog"),
    (&["sh", "-c", "PGPASSWORD=hunter2 psql -h db -c 'select 1'"], "PGPASSWORD=*** psql -h db -c 'select 1'"),
    (&["bash", "-lc", "mysql -uroot -phunter2 shop < dump.sql"], "mysql -uroot -p*** shop < dump.sql"),
    (&["sh", "-c", "curl -u bob:'hunter2' https://h | jq ."], "https://h | jq ."),
    (
        &["sh", "-c", "curl -H \"Authorization: Bearer hunter2\" https://h/"],
        "curl -H \"Authorization: ***\" https://h/",
    ),
    (&["sh", "-c", "echo hunter2 | sudo -S apt update"], "echo *** | sudo -S apt update"),
    (&["sh", "-c", "echo 'hunter2' | docker login -u bob --password-stdin r.example"], "--password-stdin r.example"),
    (&["bash", "-c", "passwd --stdin bob <<< hunter2"], "passwd --stdin bob <<< ***"),
    (&["sh", "-c", "sh -c \"sshpass -p 'hunter2' ssh h\""], "sshpass -p"),
    (&["su", "-", "bob", "-c", "export TOKEN=hunter2; ./run"], "export TOKEN=***"),
    (&["ssh", "host", "redis-cli -a hunter2 info"], "redis-cli -a *** info"),
    (&["sshpass", "-p", "hunter2", "ssh", "bob@h"], "sshpass -p *** ssh bob@h"),
    (&["sshpass", "-phunter2", "scp", "a", "h:"], "sshpass -p*** scp a h:"),
    (
        &["docker", "run", "-d", "-e", "MYSQL_ROOT_PASSWORD=hunter2", "-p", "3306:3306", "mysql:8"],
        "-p 3306:3306 mysql:8",
    ),
    (&["docker", "run", "-eAPI_TOKEN=hunter2", "app"], "-eAPI_TOKEN=*** app"),
    (&["docker", "run", "--env=SECRET_KEY=hunter2", "app"], "--env=SECRET_KEY=*** app"),
    (&["docker", "login", "-u", "bob", "-p", "hunter2", "r.example"], "-u bob -p *** r.example"),
    (&["docker", "build", "--build-arg", "NPM_TOKEN=hunter2", "."], "NPM_TOKEN=*** ."),
    (&["docker", "exec", "-it", "db", "mysql", "-uroot", "-phunter2"], "-uroot -p***"),
    (
        &["helm", "install", "x", "c", "--set", "image.tag=1.2,auth.rootPassword=hunter2,a=b"],
        "image.tag=1.2,auth.rootPassword=***,a=b",
    ),
    (&["helm", "upgrade", "x", "c", "--set=db.password=hunter2\\,hunter2"], "db.password=***"),
    (&["kubectl", "create", "secret", "generic", "x", "--from-literal=a=hunter2"], "--from-literal=a=***"),
    (&["kubectl", "create", "secret", "generic", "x", "--from-literal", "a=hunter2"], "--from-literal a=***"),
    (&["kubectl", "--token", "hunter2", "get", "pods"], "kubectl --token *** get pods"),
    (&["kubectl", "exec", "p", "--", "redis-cli", "-a", "hunter2", "ping"], "redis-cli -a *** ping"),
    (&["redis-cli", "-h", "r", "-a", "hunter2", "--no-auth-warning"], "-h r -a *** --no-auth-warning"),
    (&["redis-cli", "-u", "redis://:hunter2@r:6379/0"], "redis://:***@r:6379/0"),
    (&["redis-cli", "config", "set", "requirepass", "hunter2"], "requirepass ***"),
    (&["redis-server", "--requirepass", "hunter2", "--port", "6380"], "--requirepass *** --port 6380"),
    (&["openssl", "enc", "-aes-256-cbc", "-pass", "pass:hunter2", "-in", "f"], "-pass pass:*** -in f"),
    (&["openssl", "rsa", "-passin", "pass:hunter2", "-in", "k.pem"], "-passin pass:*** -in k.pem"),
    (&["openssl", "enc", "-k", "hunter2", "-in", "f"], "-k *** -in f"),
    (&["gpg", "--batch", "--passphrase", "hunter2", "-d", "f.gpg"], "--passphrase *** -d f.gpg"),
    (&["ssh-keygen", "-t", "ed25519", "-N", "hunter2", "-f", "k"], "-N *** -f k"),
    (&["keytool", "-storepass", "hunter2", "-keystore", "k.jks"], "-storepass *** -keystore k.jks"),
    (&["java", "-Ddb.password=hunter2", "-jar", "a.jar"], "-Ddb.password=*** -jar a.jar"),
    (&["java", "-Djavax.net.ssl.keyStorePassword=hunter2", "-Dkey=hunter2", "A"], "keyStorePassword=*** -Dkey=*** A"),
    (&["git", "clone", "https://bob:hunter2@git.example/a.git"], "https://bob:***@git.example/a.git"),
    (
        &["git", "-c", "http.extraHeader=Authorization: Basic hunter2", "fetch"],
        "http.extraHeader=Authorization: *** fetch",
    ),
    (&["ansible-playbook", "-e", "ansible_become_pass=hunter2", "s.yml"], "ansible_become_pass=*** s.yml"),
    (&["ansible-playbook", "-e", "user=bob db_password=hunter2", "s.yml"], "user=bob db_password=*** s.yml"),
    (&["ansible-playbook", "--extra-vars", "{\"db_password\": \"hunter2\"}", "s.yml"], "s.yml"),
    (&["ldapsearch", "-x", "-D", "cn=admin", "-w", "hunter2", "-b", "dc=x"], "-D cn=admin -w *** -b dc=x"),
    (&["smbclient", "//h/s", "-U", "bob%hunter2"], "-U bob%***"),
    (
        &["mount", "-t", "cifs", "//h/s", "/mnt", "-o", "username=bob,password=hunter2,uid=1000"],
        "password=***,uid=1000",
    ),
    (&["xfreerdp", "/v:h", "/u:bob", "/p:hunter2"], "/v:h /u:bob /p:***"),
    (&["sqlplus", "bob/hunter2@//h:1521/x"], "bob/***@//h:1521/x"),
    (&["sqlcmd", "-S", "h", "-U", "sa", "-P", "hunter2"], "-S h -U sa -P ***"),
    (&["mongosh", "mongodb+srv://bob:hunter2@c.example/db"], "mongodb+srv://bob:***@c.example/db"),
    (&["mongodump", "-u", "bob", "-p", "hunter2"], "-u bob -p ***"),
    (&["7z", "a", "-phunter2", "x.7z", "f"], "-p*** x.7z f"),
    (&["zip", "-P", "hunter2", "x.zip", "f"], "-P *** x.zip f"),
    (&["htpasswd", "-cb", "f", "bob", "hunter2"], "htpasswd -cb f bob ***"),
    (&["nmcli", "dev", "wifi", "connect", "ap", "password", "hunter2"], "ap password ***"),
    (&["wpa_passphrase", "ap", "hunter2"], "wpa_passphrase ap ***"),
    (&["vault", "kv", "put", "secret/x", "anything=hunter2"], "secret/x anything=***"),
    (&["vault", "login", "hunter2"], "vault login ***"),
    (&["aws", "configure", "set", "aws_secret_access_key", "hunter2"], "aws_secret_access_key ***"),
    (&["npm", "config", "set", "//r.example/:_authToken=hunter2"], "//r.example/:_authToken=***"),
    (&["npm", "config", "set", "//r.example/:_authToken", "hunter2"], "_authToken ***"),
    (&["ipmitool", "-U", "root", "-P", "hunter2", "power", "status"], "-U root -P *** power status"),
    (&["snmpwalk", "-v2c", "-c", "hunter2", "h"], "-c *** h"),
    (&["mosquitto_pub", "-u", "bob", "-P", "hunter2", "-t", "x"], "-u bob -P *** -t x"),
    (&["lftp", "-u", "bob,hunter2", "h"], "-u bob,*** h"),
    (&["prog", "--api-key", "hunter2", "--verbose"], "--api-key *** --verbose"),
    (&["prog", "--dsn=bob:hunter2@tcp(db:3306)/x?parseTime=true"], "bob:***@tcp(db:3306)/x?parseTime=true"),
    (&["prog", "--conn", "Server=h;User Id=sa;Password=hunter2&!;Encrypt=yes"], ";Encrypt=yes"),
    (
        &["prog", "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=hunter2==;EndpointSuffix=y"],
        "AccountName=x;AccountKey=***;",
    ),
    (&["prog", "--config", "password: hunter2"], "password: ***"),
    (&["prog", "--client-secret=hunter2", "--credentials", "hunter2"], "--client-secret=*** --credentials ***"),
    (&["postgres: bob shop 10.0.0.1 password=hunter2"], "postgres: bob shop 10.0.0.1 password=***"),
    (&["worker: job --password hunter2 running"], "--password *** running"),
    (&["python3", "-c", "connect(user='bob', password='hunter2')"], "connect(user='bob', password=***"),
    (&["rclone", "--s3-secret-access-key", "hunter2", "ls"], "--s3-secret-access-key *** ls"),
    (&["fly", "secrets", "set", "ANYTHING=hunter2"], "ANYTHING=***"),
    (&["useradd", "-p", "hunter2", "bob"], "-p *** bob"),
];

/// Secrets recognised only by their form.
const FORMS: &[&str] = &[
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ",
    "glpat-aBcDeFgHiJkLmNoPqR12",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "xoxb-123456789012-abcdefghijkl",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "dGhpcyBpcyBhIHNlY3JldCBrZXkgZm9yIHlvdQ==",
    "npm_aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5",
    "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "hvs.CAESIJ1234567890abcdefgh",
    "0x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
];

/// Command lines of a Debian host with servers, containers and a desktop.
const ORDINARY: &[&[&str]] = &[
    &["/sbin/init"],
    &["/lib/systemd/systemd", "--user"],
    &["/usr/lib/systemd/systemd", "--switched-root", "--system", "--deserialize=44"],
    &["/lib/systemd/systemd-journald"],
    &["(sd-pam)"],
    &[
        "/usr/bin/dbus-daemon",
        "--system",
        "--address=systemd:",
        "--nofork",
        "--nopidfile",
        "--systemd-activation",
        "--syslog-only",
    ],
    &["/usr/bin/dbus-daemon", "--session", "--address=systemd:", "--nofork", "--nopidfile", "--systemd-activation"],
    &["sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"],
    &["sshd: bob [priv]"],
    &["sshd: bob@pts/0"],
    &["/usr/bin/ssh-agent", "-D", "-a", "/run/user/1000/openssh_agent"],
    &["/usr/bin/gpg-agent", "--supervised"],
    &["gpg", "--batch", "--recv-keys", "3B4FE6ACC0B21F32"],
    &["gpg", "--list-keys", "--with-colons"],
    &["apt-key", "adv", "--keyserver", "hkp://keyserver.ubuntu.com:80", "--recv-keys", "3B4FE6ACC0B21F32"],
    &["nginx: master process /usr/sbin/nginx -g daemon on; master_process on;"],
    &["nginx: worker process"],
    &["/usr/sbin/apache2", "-k", "start"],
    &["php-fpm: pool www"],
    &[
        "/usr/lib/postgresql/15/bin/postgres",
        "-D",
        "/var/lib/postgresql/15/main",
        "-c",
        "config_file=/etc/postgresql/15/main/postgresql.conf",
    ],
    &["postgres: 15/main: walwriter "],
    &["postgres: bob shop 10.0.0.1(40512) idle in transaction"],
    &[
        "/usr/sbin/mariadbd",
        "--basedir=/usr",
        "--datadir=/var/lib/mysql",
        "--user=mysql",
        "--socket=/run/mysqld/mysqld.sock",
        "--port=3306",
    ],
    &["mysql", "-u", "root", "-p", "shop"],
    &["mysql", "--defaults-file=/etc/mysql/debian.cnf", "-e", "show processlist"],
    &["/usr/bin/redis-server", "127.0.0.1:6379"],
    &["psql", "-h", "db.example", "-U", "bob", "--no-password", "-c", "select count(*) from orders where id = 5"],
    &[
        "/usr/bin/containerd-shim-runc-v2",
        "-namespace",
        "moby",
        "-id",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "-address",
        "/run/containerd/containerd.sock",
    ],
    &["/usr/bin/dockerd", "-H", "fd://", "--containerd=/run/containerd/containerd.sock"],
    &[
        "/usr/bin/docker-proxy",
        "-proto",
        "tcp",
        "-host-ip",
        "0.0.0.0",
        "-host-port",
        "8080",
        "-container-ip",
        "172.17.0.2",
        "-container-port",
        "80",
    ],
    &["docker", "run", "-d", "--name", "mongo", "-p", "27017:27017", "-v", "/srv/db:/data/db:rw", "mongo:6"],
    &["docker", "pull", "nginx:1.25@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    &["docker", "run", "-v", "my-secrets:/run/secrets:ro", "registry.example:5000/team/app:v1.2.3"],
    &[
        "/usr/bin/kubelet",
        "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
        "--config=/var/lib/kubelet/config.yaml",
        "--pod-infra-container-image=registry.k8s.io/pause:3.9",
    ],
    &[
        "kube-apiserver",
        "--authorization-mode=Node,RBAC",
        "--enable-bootstrap-token-auth=true",
        "--etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key",
        "--service-account-key-file=/etc/kubernetes/pki/sa.pub",
        "--requestheader-allowed-names=front-proxy-client",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
    ],
    &[
        "etcd",
        "--advertise-client-urls=https://192.168.1.10:2379",
        "--client-cert-auth=true",
        "--initial-cluster=node1=https://192.168.1.10:2380",
        "--key-file=/etc/kubernetes/pki/etcd/server.key",
    ],
    &["kubectl", "get", "secret", "-n", "prod", "db-password", "-o", "jsonpath={.metadata.name}"],
    &["kubectl", "logs", "nginx-deployment-7d9f8b6c5d-x2x4z", "-n", "prod"],
    &[
        "java",
        "-Xms2g",
        "-Xmx2g",
        "-XX:+UseG1GC",
        "-Djava.io.tmpdir=/tmp",
        "-Djavax.net.ssl.keyStore=/etc/ssl/k.jks",
        "-cp",
        "/usr/share/elasticsearch/lib/*",
        "org.elasticsearch.bootstrap.Elasticsearch",
    ],
    &[
        "java",
        "-Dcatalina.base=/var/lib/tomcat10",
        "-classpath",
        "/usr/share/tomcat10/bin/bootstrap.jar:/usr/share/tomcat10/bin/tomcat-juli.jar",
        "org.apache.catalina.startup.Bootstrap",
        "start",
    ],
    &["/usr/bin/python3", "/usr/bin/unattended-upgrade", "--download-only"],
    &["/usr/bin/python3", "-m", "http.server", "8000", "--bind", "127.0.0.1"],
    &["gunicorn: worker [app.wsgi:application]"],
    &["node", "/srv/app/server.js", "--port=3000", "--max-old-space-size=4096"],
    &["/usr/sbin/cron", "-f", "-P"],
    &["/bin/sh", "-c", "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }"],
    &["/bin/sh", "-c", "cd / && run-parts --report /etc/cron.hourly"],
    &["rsync", "-avz", "--delete", "--password-file=/etc/rsync.pass", "/srv/", "backup@host.example::module/path"],
    &["rsync", "-e", "ssh -i /root/.ssh/id_ed25519 -p 2222", "a", "bob@h:/srv/a"],
    &["scp", "bob@h:/etc/passwd", "secret.key:/tmp/"],
    &[
        "ssh",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-i",
        "/root/.ssh/id_rsa",
        "bob@10.0.0.5",
        "uptime",
    ],
    &["ssh-keygen", "-t", "ed25519", "-f", "/root/.ssh/id_ed25519", "-N", ""],
    &["git", "checkout", "3f786850e387550fdab836ed7e6dc881de23001b"],
    &["git", "commit", "-m", "fix: the token parser skips an empty password, see issue 12"],
    &["git", "clone", "git@github.com:example/project.git"],
    &["git", "clone", "https://github.com/example/project.git", "--depth=1"],
    &["vim", "password.txt"],
    &["grep", "-rn", "password", "/etc/pam.d"],
    &["passwd", "bob"],
    &["man", "passwd"],
    &["su", "-", "postgres"],
    &["sudo", "-u", "postgres", "psql"],
    &["sort", "-t,", "--key=2,3n", "-u", "data.csv"],
    &["find", "/var/log", "-name", "*.gz", "-mtime", "+30", "-delete"],
    &["awk", "-F:", "{print $1 \":\" $3}", "/etc/passwd"],
    &["tar", "--exclude=./.git", "-czf", "/backup/www-2024-01-01T00:00:00.tar.gz", "/var/www"],
    &["openssl", "s_client", "-connect", "host.example:443", "-servername", "host.example"],
    &["openssl", "x509", "-in", "/etc/ssl/certs/ssl-cert-snakeoil.pem", "-noout", "-enddate"],
    &["openvpn", "--config", "/etc/openvpn/client.conf", "--auth", "SHA256", "--auth-user-pass", "/etc/openvpn/up.txt"],
    &["curl", "-fsSL", "https://host.example/path/file-1.2.3.tar.gz?version=2&arch=amd64", "-o", "/tmp/f"],
    &["curl", "--cacert", "/etc/ssl/ca.pem", "--cert", "/etc/ssl/c.pem", "--key", "/etc/ssl/k.pem", "https://h:8443/"],
    &[
        "curl",
        "-X",
        "POST",
        "-H",
        "Content-Type: application/json",
        "-d",
        "{\"name\":\"x\",\"size\":3}",
        "http://127.0.0.1:9200/_search",
    ],
    &["wget", "-q", "https://deb.debian.org/debian/pool/main/l/linux/linux-image-6.1.0-18-amd64_6.1.76-1_amd64.deb"],
    &[
        "/usr/lib/xorg/Xorg",
        ":0",
        "-seat",
        "seat0",
        "-auth",
        "/var/run/lightdm/root/:0",
        "-nolisten",
        "tcp",
        "vt7",
        "-novtswitch",
    ],
    &["/usr/libexec/gnome-session-binary", "--systemd", "--session=ubuntu"],
    &["lightdm", "--session-child", "12", "21"],
    &[
        "/usr/bin/gnome-keyring-daemon",
        "--foreground",
        "--components=pkcs11,secrets",
        "--control-directory=/run/user/1000/keyring",
    ],
    &[
        "/opt/google/chrome/chrome",
        "--type=renderer",
        "--crashpad-handler-pid=1234",
        "--enable-crash-reporter=123e4567-e89b-12d3-a456-426614174000,",
        "--password-store=basic",
        "--lang=en-US",
        "--num-raster-threads=4",
        "--launch-time-ticks=1234567890123",
    ],
    &[
        "/usr/sbin/cryptsetup",
        "open",
        "--key-file",
        "/etc/keys/disk.key",
        "/dev/disk/by-uuid/123e4567-e89b-12d3-a456-426614174000",
        "data",
    ],
    &["mount", "-t", "cifs", "//h/s", "/mnt", "-o", "credentials=/etc/smb.cred,uid=1000"],
    &[
        "qemu-system-x86_64",
        "-uuid",
        "123e4567-e89b-12d3-a456-426614174000",
        "-object",
        "secret,id=masterKey0,format=raw,file=/var/lib/libvirt/qemu/domain-1-vm/master-key.aes",
        "-m",
        "4096",
    ],
    &["wg-quick", "up", "wg0"],
    &["ansible-playbook", "-i", "inventory.ini", "--ask-become-pass", "site.yml"],
    &["terraform", "apply", "-auto-approve", "-var-file=prod.tfvars"],
    &["vllm", "serve", "--max-tokens=4096", "--tokenizer", "mistral"],
    &["/nix/store/0c6kzph7l0dcbfmjap64f0czdafn3b7x-bash-5.2/bin/bash"],
    &["gh", "repo", "create", "--private", "example"],
    &["nmcli", "connection", "show", "--active"],
    &["aws", "s3", "cp", "s3://bucket/key/name.txt", "."],
    &["pass", "show", "email/example.org"],
    &["tail", "-F", "/var/log/auth.log"],
    &["/tmp/systemd-private-5d41402abc4b2a76b9719d911017c592-apache2.service-Xy12Ab/tmp/x"],
    &[
        "prometheus",
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/data",
        "--web.listen-address=:9090",
    ],
    &["node_exporter", "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|var/lib/docker/.+)($|/)"],
    &["sh", "-c", "mysql -uroot -p\"$MYSQL_ROOT_PASSWORD\" -e 'select 1'"],
    &["sh", "-c", "exec env TOKEN=$TOKEN /srv/run"],
];

#[test]
fn no_way_of_giving_a_secret_shows_it() {
    let wrong = SECRETS.iter().map(|(arguments, rest)| (masked(arguments), rest));
    let wrong: Vec<_> = wrong.filter(|(masked, rest)| masked.contains("hunter2") || !masked.contains(*rest)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn secrets_are_known_by_their_form_wherever_they_stand() {
    for secret in FORMS {
        let command = format!("run {secret} now");
        for arguments in [
            vec!["prog", secret],
            vec!["prog", "--x", secret],
            vec!["sh", "-c", &command],
            vec![&format!("prog --x={secret}")],
            vec!["prog", &format!("a={secret}")],
            // A token with a slash in it cannot be distinguished from a path.
            vec!["prog", &format!("https://h/hook/{}", secret.replace('/', "x"))],
        ] {
            let masked = masked(&arguments);
            let start: String = secret.chars().skip(8).take(12).collect();
            assert!(masked.contains(MASK) && !masked.contains(&start), "{arguments:?}: {masked}");
        }
    }
}

#[test]
fn ordinary_command_lines_stay_as_they_are() {
    let both = ORDINARY.iter().map(|arguments| (masked(arguments), arguments.join(" ")));
    let wrong: Vec<_> = both.filter(|(masked, whole)| masked != whole).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A whole command in one string, as a shell or a title has it, shows no more than the arguments by themselves.
#[test]
fn strings_hide_what_arguments_hide() {
    let mut wrong = Vec::new();
    for (arguments, _) in SECRETS {
        let quoted: Vec<_> = arguments.iter().map(|a| format!("'{}'", a.replace('\'', "'\\''"))).collect();
        let command = quoted.join(" ");
        for arguments in [vec!["sh", "-c", &command], vec!["ssh", "h", &command], vec![&command]] {
            wrong.extend(Some(masked(&arguments)).filter(|m| m.contains("hunter2")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn strings_in_strings_end_somewhere() {
    let mut command = "sshpass -p hunter2 ssh h".to_owned();
    for _ in 0..6 {
        command = format!("sh -c '{}'", command.replace('\'', "'\\''"));
    }
    assert!(!masked(&["sh", "-c", &command]).contains("hunter2"));
}

proptest::proptest! {
    /// Nothing makes it panic, and what it has masked stays as it is.
    #[test]
    fn any_arguments(arguments in proptest::collection::vec("[ -~äé\n]{0,60}", 0..8)) {
        let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let masked = mask_arguments(&texts);
        proptest::prop_assert_eq!(masked.len(), texts.len());
    }

    /// Whatever is behind a secret option is not there afterwards.
    #[test]
    fn any_secret(secret in "[!-~]{4,40}") {
        proptest::prop_assume!(!values::is_harmless(&secret) && !secret.starts_with('-') && !secret.contains("***"));
        let option = format!("--password={secret}");
        for arguments in [vec!["p", &option], vec!["p", "--password", &secret], vec!["mysql", &format!("-p{secret}")]] {
            proptest::prop_assert!(!masked(&arguments).contains(&secret), "{:?}", masked(&arguments));
        }
    }
}

/// Further command lines, each a list of arguments on a line of its own.
fn lines(file: &str) -> Vec<Vec<String>> {
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn masked_line(arguments: &[String]) -> String {
    masked(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn no_program_of_the_list_shows_its_secret() {
    let all = lines(include_str!("cases/secrets.jsonl"));
    assert!(all.len() > 2400, "{}", all.len());
    let shown: Vec<_> = all.iter().map(|a| masked_line(a)).filter(|m| m.contains("hunter2")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}

#[test]
fn the_same_in_one_string_shows_no_secret() {
    let quoted = |a: &String| format!("'{}'", a.replace('\'', "'\\''"));
    let all = lines(include_str!("cases/secrets.jsonl")).into_iter();
    let commands = all.map(|a| a.iter().map(quoted).collect::<Vec<_>>().join(" "));
    let shown: Vec<_> = commands.map(|c| masked(&["sh", "-c", &c])).filter(|m| m.contains("hunter2")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}

#[test]
fn ordinary_command_lines_of_the_list_stay_as_they_are() {
    let all = lines(include_str!("cases/ordinary.jsonl"));
    let wrong: Vec<_> = all.iter().map(|a| (masked_line(a), a.join(" "))).filter(|(m, whole)| m != whole).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Secrets that SECURITY.md lists as not recognised: their names do not indicate a secret, and only the program knows where
/// they are.
#[test]
fn secrets_that_are_documented_as_unknown_are_shown() {
    let all = lines(include_str!("cases/unknown.jsonl"));
    let masked: Vec<_> = all.iter().map(|a| masked_line(a)).filter(|m| !m.contains("hunter2")).collect();
    assert!(masked.is_empty() && all.len() == 23, "no longer unknown: {masked:#?}");
}
