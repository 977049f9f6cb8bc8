package cli

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// Files that are of no use are told with their places, before anything is
// connected to.
func TestCertificateFiles(t *testing.T) {
	ca := testkit.NewCA(t)
	cert, other := ca.Issue(t, testkit.CertConfig{Client: true}), ca.Issue(t, testkit.CertConfig{Client: true})
	for _, tt := range []struct{ name, lines, want string }{
		{"no PEM", "CertificateFile junk", "rc:3: error: channel 'c': CertificateFile '$DIR/junk': there is no certificate in it"},
		{"empty", "CertificateFile empty", "rc:3: error: channel 'c': CertificateFile '$DIR/empty': there is no certificate in it"},
		{"a key", "CertificateFile key", "rc:3: error: channel 'c': CertificateFile '$DIR/key': there is no certificate in it"},
		{"broken", "CertificateFile broken", "rc:3: error: channel 'c': CertificateFile '$DIR/broken': malformed certificate"},
		{"the second one", "CertificateFile cert\nCertificateFile junk", "rc:4: error: channel 'c': CertificateFile '$DIR/junk'"},
		{"no such file", "CertificateFile nowhere\nCertificateFile junk", "rc:3: warning: CertificateFile '$DIR/nowhere' cannot be read and is ignored: no such file or directory"},
		{"nobody to trust", "CertificateFile nowhere\nSystemCertificates no", "rc:3: error: cannot read CertificateFile '$DIR/nowhere': no such file or directory"},
		{"no client certificate", "ClientCertificate nowhere\nClientKey key", "rc:3: error: channel 'c': cannot use ClientCertificate: open $DIR/nowhere"},
		{"no key", "ClientCertificate cert", "rc:3: error: channel 'c': cannot use the private key for ClientCertificate: there is none"},
		{"no key file", "ClientCertificate cert\nClientKey nowhere", "rc:4: error: channel 'c': cannot use ClientKey: open $DIR/nowhere"},
		{"not the key", "ClientCertificate cert\nClientKey otherkey", "rc:4: error: channel 'c': cannot use the private key for ClientCertificate: private key does not match public key"},
		{"a password", "ClientCertificate cert\nClientKey locked", "rc:4: error: channel 'c': cannot use the private key for ClientCertificate: it is encrypted"},
		{"no certificate", "ClientCertificate key", "rc:3: error: channel 'c': cannot use ClientCertificate: there is no certificate in it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "IMAPStore far\nHost 127.0.0.1\n"+tt.lines+"\nPort 1")
			w.write("junk", "what is this?\n")
			w.write("empty", "")
			w.write("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
			w.write("cert", string(cert.PEM()))
			w.write("key", string(cert.KeyPEM(t)))
			w.write("otherkey", string(other.KeyPEM(t)))
			w.write("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
			w.run(1, "-a")
			w.says(&w.err, strings.ReplaceAll(tt.want, "$DIR", w.dir))
		})
	}
}

// TLS through a tunnel needs to know whom to expect.
func TestTunnelTLS(t *testing.T) {
	w := newWorld(t, "IMAPStore far\nTunnel false\nTLSType IMAPS")
	w.run(1, "-a")
	w.says(&w.err, "rc:3: error: channel 'c': TLSType with Tunnel needs Host")
	w = newWorld(t, "IMAPStore far\nTunnel false\nTLSType IMAPS\nHost mail.example.org")
	w.run(1, "-a")
	w.says(&w.err, `connection to mail.example.org lost while waiting for the TLS handshake: tunnel "false" has failed: exit status 1`)
}

// A client certificate is what a real server lets one in with.
func TestClientCertificate(t *testing.T) {
	ca := testkit.NewCA(t)
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{ClientCA: ca})
	good := ca.Issue(t, testkit.CertConfig{Client: true, Hosts: []string{"user"}})
	w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nTLSType IMAPS\nCertificateFile ca\nUser user\nPassCmd \"cat '$DIR/secret'\"\nClientCertificate both",
		srv.Host, srv.TLSPort))
	w.write("ca", string(srv.CA.PEM()))
	w.write("secret", testkit.Password)
	w.write("both", string(good.PEM())+string(good.KeyPEM(t)))
	w.run(0, "-a")
}

// CipherString says which ciphers are used, and when it is of no effect.
func TestCipherString(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Extra: "ssl_min_protocol = TLSv1.2\nssl_cipher_list = ECDHE+AESGCM\n"})
	for _, tt := range []struct {
		name, lines string
		code        int
		want, not   string
	}{
		{"in common", "TLSVersions -1.3\nCipherString AESGCM", 0, "", "has no effect"},
		{"nothing in common", "TLSVersions -1.3\nCipherString CHACHA20", 1, "while waiting for the TLS handshake: the server closed the connection\nhint: the server ended the handshake: it may not support the allowed ciphers", ""},
		{"TLS 1.3", "CipherString CHACHA20", 0, "", "has no effect"},
		{"TLS 1.3 only", "TLSVersions -1.2\nCipherString CHACHA20", 0, "rc:9: warning: IMAPStore \"far\": CipherString has no effect", ""},
		{"a suite of TLS 1.3", "CipherString HIGH:TLS_AES_256_GCM_SHA384", 0, "'TLS_AES_256_GCM_SHA384' in CipherString has no effect", ""},
		{"nothing left", "CipherString HIGH:!HIGH", 1, "rc:8: error: channel 'c': CipherString 'HIGH:!HIGH': no cipher is left\nhint: write groups", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nTLSType IMAPS\nCertificateFile ca\nUser user\nPassCmd \"cat '$DIR/secret'\"\n%s",
				srv.Host, srv.TLSPort, tt.lines))
			w.write("ca", string(srv.CA.PEM()))
			w.write("secret", testkit.Password)
			w.run(tt.code, "-a")
			w.says(&w.err, tt.want)
			if tt.not != "" && strings.Contains(w.err.String(), tt.not) {
				t.Error(&w.err)
			}
		})
	}
}

// A certificate that nobody but itself vouches for is not trusted, and then is.
func TestSelfSigned(t *testing.T) {
	// What vouches for itself: an authority's own certificate.
	ca := testkit.NewCA(t)
	addr := testkit.TLSServerWith(t, &tls.Config{Certificates: []tls.Certificate{ca.TLS()}})
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	rc := "IMAPStore far\nHost 127.0.0.1\nTLSType IMAPS\nPort " + port
	w := newWorld(t, rc)
	w.run(1, "-a")
	w.says(&w.err, "certificate of 127.0.0.1 refused: ", "hint: if this is your own server, run", "mbsync --get-cert 127.0.0.1:"+port+" > FILE")

	// Pinned, it is: then it is the missing greeting that fails.
	w = newWorld(t, rc+"\nCertificateFile pin\nSystemCertificates no")
	w.write("pin", string(ca.PEM()))
	w.run(1, "-a")
	w.says(&w.err, "while waiting for the greeting")
}
