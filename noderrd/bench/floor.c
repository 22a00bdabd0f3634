// The floor under tick-to-trade: what remains when a node does nothing but its system calls.
//
// It spins over the same sockets with the same calls as the lane does for one venue (recv on the order session, then recvmmsg on line A and on line B), takes
// the same datagrams and answers a tick with a send of the same size. It decodes nothing but which tick it was, keeps no book, asks nobody, checks nothing.
//
// floor CORE LINE_A LINE_B ORDER_PORT
#define _GNU_SOURCE
#include "wire.h"

static uint8_t data[BATCH][DATAGRAM_MAX], answers[1 << 16], order[ORDER_PACKET];
static struct mmsghdr headers[BATCH];
static struct iovec places[BATCH];

static void take(int line, int session) {
    int n = recvmmsg(line, headers, BATCH, MSG_DONTWAIT, NULL);
    for (int k = 0; k < n; k++) {
        const uint8_t *message = data[k] + headers[k].msg_len - TICK_MESSAGE; // the last message of its datagram
        if (headers[k].msg_len < TICK_DATAGRAM || message[0] != 'U')
            continue;
        put(order + ORDER_REF, get(order + ORDER_REF, 4) + 1, 4);
        memcpy(order + ORDER_SHARES, message + TICK_SHARES, 4);
        check(send(session, order, sizeof order, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof order, "send");
    }
}

int main(int argc, char **argv) {
    if (argc != 5)
        return fprintf(stderr, "usage: floor CORE LINE_A LINE_B ORDER_PORT\n"), 64;
    pin(atoi(argv[1]));
    int a = bound(SOCK_DGRAM, atoi(argv[2])), b = bound(SOCK_DGRAM, atoi(argv[3])), session = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in exchange = loopback(atoi(argv[4]));
    check(connect(session, (struct sockaddr *)&exchange, sizeof exchange) == 0, "connect");
    at_once(session);
    for (int k = 0; k < BATCH; k++) {
        places[k] = (struct iovec){data[k], DATAGRAM_MAX};
        headers[k].msg_hdr = (struct msghdr){.msg_iov = &places[k], .msg_iovlen = 1};
    }
    memset(order, ' ', sizeof order);
    put(order, sizeof order - 2, 2);
    put(order + 2, 'U', 1);
    put(order + 3, 'O', 1);
    put(order + ORDER_REF, 0, 4);
    for (;;) {
        ssize_t got = recv(session, answers, sizeof answers, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return 0; // the client is done
        take(a, session);
        take(b, session);
    }
}
