"""Other implementations of DKIM, each in one process for any number of messages: OpenDKIM's library, dkimpy and Perl's Mail::DKIM. Used by the
cross-checks and by bench/verify. Every function takes (message octets, signature domain's records) and gives words or fields."""
import ctypes, ctypes.util, json, pathlib, subprocess, tempfile

DOMAIN = "example.org"
CANON = {"simple": 0, "relaxed": 1}
ALGORITHMS = {"rsa-sha256": 1, "ed25519-sha256": 2}
SIGNED = ["from", "to", "subject", "date", "cc", "reply-to", "references", "mime-version", "content-type", "x-empty"]


def split(message):
    """Fields without their CRLF, and the body."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\r\n" + line
        elif line:
            fields.append(line)
    return fields, body


class OpenDkim:
    """libopendkim by ctypes; keys come from a file in place of the DNS."""
    STATUS = {0: "pass", 1: "fail", 2: "none"}

    @staticmethod
    def present():
        return ctypes.util.find_library("opendkim") is not None or pathlib.Path("/usr/lib/x86_64-linux-gnu/libopendkim.so.11").exists()

    def __init__(self, records):
        self.c = ctypes.CDLL(ctypes.util.find_library("opendkim") or "libopendkim.so.11")
        for name in ("dkim_init", "dkim_sign", "dkim_verify"):
            getattr(self.c, name).restype = ctypes.c_void_p
        self.lib = ctypes.c_void_p(self.c.dkim_init(None, None))
        self.keys = tempfile.NamedTemporaryFile("w")
        for name, record in records.items():
            self.keys.write(f"{name} {record}\n")
        self.keys.flush()
        method = ctypes.c_int(1)
        self.c.dkim_options(self.lib, 1, 6, ctypes.byref(method), ctypes.c_size_t(ctypes.sizeof(method)))
        path = self.keys.name.encode()
        self.c.dkim_options(self.lib, 1, 7, path, ctypes.c_size_t(len(path)))
        feature = bool(self.c.dkim_libfeature(self.lib, 11))
        self.algorithms = ["rsa-sha256"] + (["ed25519-sha256"] if feature else [])

    def _feed(self, handle, message):
        fields, body = split(message)
        for field in fields:
            status = self.c.dkim_header(handle, field, ctypes.c_size_t(len(field)))
            assert status == 0, (status, field)
        status = self.c.dkim_eoh(handle)
        if status not in (0, 2):
            return status
        if body:
            self.c.dkim_body(handle, body, ctypes.c_size_t(len(body)))
        return self.c.dkim_eom(handle, None)

    def verify(self, message):
        status = ctypes.c_int()
        handle = ctypes.c_void_p(self.c.dkim_verify(self.lib, b"test", None, ctypes.byref(status)))
        result = self._feed(handle, message)
        self.c.dkim_free(handle)
        return self.STATUS.get(result, f"status {result}")

    def sign(self, message, selector, key_pem, form, algorithm):
        header, body = form.split("/")
        status = ctypes.c_int()
        handle = ctypes.c_void_p(self.c.dkim_sign(self.lib, b"test", None, key_pem, selector.encode(), DOMAIN.encode(), CANON[header], CANON[body],
                                                  ALGORITHMS[algorithm], ctypes.c_ssize_t(-1), ctypes.byref(status)))
        assert handle.value, status.value
        result = self._feed(handle, message)
        assert result == 0, (result, message)
        text, length = ctypes.c_char_p(), ctypes.c_size_t()
        assert self.c.dkim_getsighdr_d(handle, ctypes.c_size_t(16), ctypes.byref(text), ctypes.byref(length)) == 0
        value = ctypes.string_at(text, length.value)
        self.c.dkim_free(handle)
        # The library folds with LF for a milter, and the milter library makes it CRLF.
        return b"DKIM-Signature: " + value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"


class DkimPy:
    algorithms = ["rsa-sha256", "ed25519-sha256"]

    def __init__(self, records):
        import dkim
        self.dkim, self.records = dkim, {k: v.encode() for k, v in records.items()}

    def verify(self, message):
        lookup = lambda name, timeout=5: self.records.get(name.decode().rstrip("."))  # noqa: E731
        return "pass" if self.dkim.verify(message, dnsfunc=lookup) else "fail"

    def sign(self, message, selector, key, form, algorithm):
        header, body = form.split("/")
        present = {f.split(b":")[0].strip().lower() for f in split(message)[0]}
        names = [n.encode() for n in SIGNED if n.encode() in present]
        return self.dkim.sign(message, selector.encode(), DOMAIN.encode(), key, canonicalize=(header.encode(), body.encode()), include_headers=names,
                              signature_algorithm=algorithm.encode())


PERL = r"""
use strict; use Mail::DKIM::Verifier; use Mail::DKIM::Signer; use Mail::DKIM::PublicKey; use JSON::PP; use MIME::Base64;
my $jobs = decode_json(do { local $/; <STDIN> });
no warnings 'redefine';
*Mail::DKIM::Signature::get_public_key = sub { my $self = shift; return $self->{public} ||= Mail::DKIM::PublicKey->parse($jobs->{records}{$self->selector . '._domainkey.' . $self->domain}) };
my @out;
for my $job (@{$jobs->{jobs}}) {
    my $message = decode_base64($job->{message});
    if ($job->{sign}) {
        my $s = Mail::DKIM::Signer->new(Algorithm => $job->{algorithm}, Method => $job->{form}, Domain => $job->{domain}, Selector => $job->{selector}, KeyFile => $job->{key});
        $s->PRINT($message); $s->CLOSE; push @out, encode_base64($s->signature->as_string, '');
    } else {
        my $v = Mail::DKIM::Verifier->new; $v->PRINT($message); $v->CLOSE; push @out, $v->result;
    }
}
print encode_json(\@out);
"""


class MailDkim:
    algorithms = ["rsa-sha256"]

    @staticmethod
    def present():
        return subprocess.run(["perl", "-MMail::DKIM::Verifier", "-e", "1"], capture_output=True).returncode == 0

    @staticmethod
    def run(records, jobs):
        got = subprocess.run(["perl", "-e", PERL], input=json.dumps({"records": records, "jobs": jobs}).encode(), capture_output=True, timeout=120)
        assert got.returncode == 0, got.stderr[-2000:]
        return json.loads(got.stdout)
