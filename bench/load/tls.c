/* TLS under a link, by OpenSSL. The certificate is not verified: it is the benchmark's own.
 *
 * Built in with -DWITH_TLS and -lssl -lcrypto; without, `--tls` says so and everything else works.
 */
#include "transport.h"

#include <errno.h>

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>

/* More than one record (16 kB) for each read from the socket. */
enum { READ_AHEAD_BYTES = 64 * 1024 };

static SSL_CTX *context;

void tls_start(void) {
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) fail("OpenSSL: no context");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
}

/* What recv() or send() would have returned. */
static ssize_t as_socket(const Link *l, int result) {
    if (result > 0) return result;
    switch (SSL_get_error(l->tls, result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
        case SSL_ERROR_ZERO_RETURN: return 0;
        default: ERR_clear_error(); errno = ECONNRESET; return -1;
    }
}

bool tls_handshake(Link *l) {
    if (l->tls == NULL) {
        l->tls = SSL_new(context);
        if (l->tls == NULL || SSL_set_fd(l->tls, l->fd) != 1) fail("OpenSSL: no connection");
    }
    if (as_socket(l, SSL_connect(l->tls)) > 0) return true;
    if (errno != EAGAIN) fail("connection %d: the TLS handshake failed", l->conn->index);
    return false;
}

ssize_t tls_read(Link *l, void *to, size_t n) { return as_socket(l, SSL_read(l->tls, to, (int)n)); }

ssize_t tls_write(Link *l, const void *bytes, size_t n) { return as_socket(l, SSL_write(l->tls, bytes, (int)n)); }

bool tls_has_more(const Link *l) { return SSL_has_pending(l->tls) == 1; }

void tls_close(Link *l) {
    SSL_free(l->tls);
    l->tls = NULL;
}

#else

static _Noreturn void without_tls(void) { fail("this load generator was built without TLS (OpenSSL's headers were missing)"); }

void tls_start(void) { without_tls(); }
bool tls_handshake(Link *l) { (void)l, without_tls(); }
ssize_t tls_read(Link *l, void *to, size_t n) { (void)l, (void)to, (void)n, without_tls(); }
ssize_t tls_write(Link *l, const void *bytes, size_t n) { (void)l, (void)bytes, (void)n, without_tls(); }
bool tls_has_more(const Link *l) { (void)l, without_tls(); }
void tls_close(Link *l) { (void)l, without_tls(); }

#endif
