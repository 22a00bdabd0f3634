// The exchange of the tick-to-trade bench, for the node and for the floor in turn: it sends ticks as MoldUDP64 datagrams, takes the orders that they cause over
// TCP, and times from before its sendto to after the recv that brought the order, with one clock and the same code for both.
//
// Towards the node it is a whole venue: login, account query, answers to retransmission requests from message 1 on, heartbeats, and Accepted and Canceled for
// every order (after the timing), so that the node's tables stay as small as on a real day. Only one side may run at a time: the process of the other is
// stopped by signal, because both want the same core.
//
// client CORE NODE_LINE FLOOR_LINE          prints `ports OUCH REREQUEST FLOOR`, then obeys lines of standard input:
//   pids NODE FLOOR                         whom to stop
//   warm N                                  N ticks to either side, not kept
//   closed ROUNDS TICKS GAP_NS FILE         one tick at a time, GAP_NS from tick to tick; both sides each round
//   open ROUNDS BURSTS RATE FILE            RATE messages a second in bursts of 90: nine datagrams of nine quiet messages and a tick;
//                                           latency from the time the burst was due
//   end
// Each answers with one line. FILE.node and FILE.floor receive latencies as int64 nanoseconds.
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>

#include "wire.h"

enum { SYMBOL_LOCATE = 1, BASE_PX = 1000000, TICK_PX = 100, LEVELS = 10, FIRST_TICK_REF = 1000 };
enum { LOG_MAX = 1 << 22, LOG_BYTES = 40, PACKET_MAX = 1400, IDS = 900000, BURST = 90, PACKED = 10, SKIP = 100, ANSWER_ROOM = 1 << 16 };
static const int64_t LOST_NS = 200000000, HEARTBEAT_NS = 300000000, SETTLE_NS = 3000000, REST_NS = 30000000;
static const char SYMBOL[] = "BENCH   ", SESSION[] = "BENCH00001";

typedef struct {
    uint8_t size, bytes[LOG_BYTES];
} Message;

typedef struct {
    const char *name;
    pid_t pid;
    int feed, session, node; // descriptors; node: it speaks SoupBinTCP and asks for messages again
    struct sockaddr_in line;
    Message *log; // every message sent, by sequence number - 1
    int64_t sent, ticks, deep, orders, order_ref, heartbeat_ns, lost;
    uint8_t rx[1 << 16], tx[ANSWER_ROOM];
    size_t held, answers; // bytes of rx; bytes of tx not yet sent
    int64_t due[IDS];     // when the tick of an id was to be sent; 0: answered
    FILE *file;
} Side;

static Side node, flat;
static int listener, requests, floor_listener;

// ---- feed

static uint8_t *begin(Side *s, char kind, int size) {
    if (s->sent == LOG_MAX) {
        fprintf(stderr, "client: more than %d messages\n", LOG_MAX);
        exit(1);
    }
    Message *m = &s->log[s->sent++];
    memset(m, 0, sizeof *m);
    m->size = (uint8_t)size;
    m->bytes[0] = (uint8_t)kind;
    put(m->bytes + 1, kind == 'S' ? 0 : SYMBOL_LOCATE, 2);
    put(m->bytes + 5, 34200000000000 + (uint64_t)s->sent, 6);
    return m->bytes;
}

// Put the messages from sequence number `from` on into a packet, up to `n` and while there is room. Gives its size; `n` 0 is a heartbeat.
static size_t pack(const Side *s, uint8_t *out, size_t room, int64_t from, int64_t n) {
    size_t end = MOLD_HEADER;
    int64_t k = 0;
    for (; k < n && from + k <= s->sent && end + 2 + s->log[from + k - 1].size <= room; k++) {
        const Message *m = &s->log[from + k - 1];
        put(out + end, m->size, 2);
        memcpy(out + end + 2, m->bytes, m->size);
        end += 2 + m->size;
    }
    memcpy(out, SESSION, 10);
    put(out + 10, (uint64_t)from, 8);
    put(out + 18, (uint64_t)k, 2);
    return end;
}

static void datagram(Side *s, int64_t from, int64_t n) {
    uint8_t out[PACKET_MAX];
    size_t size = pack(s, out, sizeof out, from, n);
    check(sendto(s->feed, out, size, 0, (struct sockaddr *)&s->line, sizeof s->line) == (ssize_t)size, "sendto");
}

static void system_event(Side *s, char code) {
    begin(s, 'S', 12)[11] = (uint8_t)code;
}

static void add(Side *s, int64_t ref, char side, int64_t shares, int64_t px) {
    uint8_t *m = begin(s, 'A', 36);
    put(m + 11, (uint64_t)ref, 8);
    m[19] = (uint8_t)side;
    put(m + 20, (uint64_t)shares, 4);
    memcpy(m + 24, SYMBOL, 8);
    put(m + 32, (uint64_t)px, 4);
}

// The day until the first tick, into the log: phase, directory, trading state, ten levels a side, and the order that ticks will move.
static void open_market(Side *s) {
    system_event(s, 'O');
    system_event(s, 'S');
    uint8_t *m = begin(s, 'R', 39);
    memcpy(m + 11, SYMBOL, 8);
    memcpy(m + 19, "QN", 2);
    put(m + 21, 1, 4);
    memcpy(m + 25, "NCZ PNN1N", 9);
    m[38] = 'N';
    m = begin(s, 'H', 25);
    memcpy(m + 11, SYMBOL, 8);
    memcpy(m + 19, "T     ", 6);
    system_event(s, 'Q');
    for (int k = 1; k <= LEVELS; k++) {
        add(s, 2 * k, 'B', 100 * k, BASE_PX - k * TICK_PX);
            add(s, 2 * k + 1, 'S', 100 * k, BASE_PX + (10 + k) * TICK_PX);
        }
    add(s, FIRST_TICK_REF, 'B', 1, BASE_PX);
}

static int64_t id_of(int64_t tick) { return 1 + tick % IDS; }

// Order Replace: the best bid goes up or down a tick, and its shares name the tick.
static int64_t build_tick(Side *s) {
    int64_t tick = s->ticks++;
    uint8_t *m = begin(s, 'U', TICK_MESSAGE);
    put(m + 11, (uint64_t)(FIRST_TICK_REF + tick), 8);
    put(m + 19, (uint64_t)(FIRST_TICK_REF + tick + 1), 8);
    put(m + TICK_SHARES, (uint64_t)id_of(tick), 4);
    put(m + 31, (uint64_t)(tick % 2 ? BASE_PX : BASE_PX + TICK_PX), 4);
    return id_of(tick);
}

// An order deep in the book comes, or goes: the best price does not change, and nobody trades on it.
static void build_deep(Side *s) {
    int64_t k = s->deep++, ref = ((int64_t)1 << 40) + k / 2;
    if (k % 2 == 0)
        add(s, ref, 'B', 100, BASE_PX - (1 + k / 2 % LEVELS) * TICK_PX);
    else
        put(begin(s, 'D', 19) + 11, (uint64_t)ref, 8);
}

// Answer retransmission requests (MoldUDP64 section 3) with what fits in a datagram.
static void retransmit(void) {
    uint8_t in[64], out[PACKET_MAX];
    struct sockaddr_in who;
    socklen_t size = sizeof who;
    while (recvfrom(requests, in, sizeof in, MSG_DONTWAIT, (struct sockaddr *)&who, &size) == MOLD_HEADER) {
        size_t end = pack(&node, out, sizeof out, (int64_t)get(in + 10, 8), (int64_t)get(in + 18, 2));
        if (end > MOLD_HEADER)
            sendto(requests, out, end, 0, (struct sockaddr *)&who, size);
        size = sizeof who;
    }
}

// ---- orders

static void flush(Side *s) {
    size_t gone = 0;
    while (gone < s->answers) {
        ssize_t n = send(s->session, s->tx + gone, s->answers - gone, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            continue;
        check(n > 0, "send to an order session");
        gone += (size_t)n;
    }
    s->answers = 0;
}

static uint8_t *packet(Side *s, char type, size_t body) {
    if (s->answers + 3 + body > ANSWER_ROOM)
        flush(s);
    uint8_t *at = s->tx + s->answers;
    put(at, body + 1, 2);
    at[2] = (uint8_t)type;
    s->answers += 3 + body;
    memset(at + 3, 0, body);
    return at + 3;
}

// Accepted (OUCH section 3.2), then Canceled (3.4), as an exchange answers an immediate-or-cancel order that found nobody.
static void answer(Side *s, const uint8_t *enter) {
    uint8_t *a = packet(s, 'S', 64), *c;
    a[0] = 'A';
    put(a + 1, (uint64_t)now_ns(), 8);
    memcpy(a + 9, enter + 1, 4 + 1 + 4 + 8 + 8 + 2); // UserRefNum to display
    put(a + 36, (uint64_t)++s->order_ref, 8);
    memcpy(a + 44, enter + 28, 3); // capacity, sweep, cross
    a[47] = 'L';
    memcpy(a + 48, enter + 31, 14);
    c = packet(s, 'S', 18);
    c[0] = 'C';
    put(c + 1, (uint64_t)now_ns(), 8);
    memcpy(c + 9, enter + 1, 4);
    memcpy(c + 13, enter + 6, 4);
    c[17] = 'I';
}

static void login(Side *s) {
    char text[31];
    snprintf(text, sizeof text, "%.10s%20d", SESSION, 1);
    memcpy(packet(s, 'A', 30), text, 30);
    flush(s);
}

static void account(Side *s) {
    uint8_t *q = packet(s, 'S', 15);
    q[0] = 'Q';
    put(q + 9, (uint64_t)s->orders + 1, 4);
    flush(s);
}

// Take what the session brought at `when`: every order of a tick that waits is timed from `due`, and answered (into tx). Gives how many orders came.
static int orders(Side *s, int64_t when) {
    int n = 0;
    size_t at = 0;
    while (s->held - at >= 2 && s->held - at >= 2 + get(s->rx + at, 2)) {
        const uint8_t *p = s->rx + at;
        size_t size = 2 + get(p, 2);
        at += size;
        if (p[2] == 'L')
            login(s);
        else if (p[2] == 'U' && p[3] == 'Q')
            account(s);
        else if (p[2] == 'U' && p[3] == 'O') {
            if (size != ORDER_PACKET) {
                fprintf(stderr, "client: an order of %zu bytes, the floor sends %d\n", size, ORDER_PACKET);
                exit(1);
            }
            int64_t id = (int64_t)get(p + ORDER_SHARES, 4);
            s->orders++;
            n++;
            answer(s, p + 3);
            if (id < 1 || id > IDS || s->due[id - 1] == 0)
                continue;
            int64_t took = when - s->due[id - 1];
            s->due[id - 1] = 0;
            if (s->file)
                fwrite(&took, sizeof took, 1, s->file);
        }
    }
    s->held -= at;
    memmove(s->rx, s->rx + at, s->held);
    return n;
}

static int receive(Side *s) {
    ssize_t got = recv(s->session, s->rx + s->held, sizeof s->rx - s->held, MSG_DONTWAIT);
    if (got > 0) {
        int64_t when = now_ns();
        s->held += (size_t)got;
        return orders(s, when);
    }
    if (got == 0 || errno != EAGAIN) {
        fprintf(stderr, "client: the %s closed its order session\n", s->name);
        exit(1);
    }
    return 0;
}

// ---- runs

static void spin_until(int64_t when) {
    while (now_ns() < when) {
    }
}

static void pause_ns(int64_t ns) {
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    nanosleep(&t, NULL);
}

static void alive(Side *s) {
    int64_t t = now_ns();
    if (t - s->heartbeat_ns < HEARTBEAT_NS)
        return;
    s->heartbeat_ns = t;
    datagram(s, s->sent + 1, 0);
    packet(s, 'H', 0);
    flush(s);
}

// Give the core to one side: the other is stopped first.
static void give_core(Side *s) {
    Side *other = s->node ? &flat : &node;
    check(kill(other->pid, SIGSTOP) == 0, "stop");
    pause_ns(SETTLE_NS);
    check(kill(s->pid, SIGCONT) == 0, "continue");
    s->heartbeat_ns = 0;
    alive(s);
    for (int64_t end = now_ns() + SETTLE_NS; now_ns() < end;) {
        if (s->node)
            retransmit();
        receive(s);
    }
    flush(s);
}

static void forget(Side *s) {
    for (int k = 0; k < IDS; k++) {
        s->lost += s->due[k] != 0;
        s->due[k] = 0;
    }
}

static void closed(Side *s, int ticks, int64_t gap_ns, FILE *file) {
    give_core(s);
    for (int k = 0; k < ticks; k++) {
        int64_t id = build_tick(s), began = now_ns();
        s->file = k < SKIP ? NULL : file; // a block begins with cold caches: the other side used the core
        s->due[id - 1] = began;
        datagram(s, s->sent, 1);
        while (s->due[id - 1] != 0 && now_ns() - began < LOST_NS) {
            receive(s);
            if (s->node)
                retransmit();
        }
        flush(s);
        spin_until(began + gap_ns);
        receive(s);
    }
    forget(s);
}

static void open_loop(Side *s, int bursts, int64_t rate, FILE *file) {
    give_core(s);
    s->file = file;
    int64_t period = (int64_t)BURST * 1000000000 / rate, start = now_ns() + 1000000, end = start + bursts * period + LOST_NS;
    int packets = bursts * (BURST / PACKED), k = 0, waiting = 0;
    while (k < packets || (waiting > 0 && now_ns() < end)) {
        int64_t due = start + k / (BURST / PACKED) * period;
        if (k < packets && now_ns() >= due) {
            for (int j = 1; j < PACKED; j++)
                build_deep(s);
            s->due[build_tick(s) - 1] = due;
            datagram(s, s->sent - PACKED + 1, PACKED);
            waiting++;
            k++;
        } else {
            flush(s); // answers wait while something is to be sent
            if (s->node)
                retransmit();
        }
        waiting -= receive(s);
    }
    flush(s);
    forget(s);
}

static FILE *result(const char *stem, const Side *s) {
    char name[4200];
    snprintf(name, sizeof name, "%s.%s", stem, s->name);
    FILE *file = fopen(name, "wb");
    check(file != NULL, name);
    setvbuf(file, NULL, _IOFBF, 1 << 20);
    return file;
}

static void run(const char *how, int rounds, int size, int64_t third, const char *stem) {
    FILE *files[2] = {stem ? result(stem, &node) : NULL, stem ? result(stem, &flat) : NULL};
    Side *sides[2] = {&node, &flat};
    int64_t orders_before = node.orders;
    node.lost = flat.lost = 0;
    for (int round = 0; round < rounds; round++)
        for (int k = 0; k < 2; k++) {
            if (strcmp(how, "open") == 0)
                open_loop(sides[k], size, third, files[k]);
            else
                closed(sides[k], size, third, files[k]);
            pause_ns(REST_NS); // whoever else lives on this core has its turn
        }
    for (int k = 0; k < 2; k++) {
        sides[k]->file = NULL;
        if (files[k])
            check(fclose(files[k]) == 0, "write the results");
    }
    kill(node.pid, SIGCONT);
    printf("done lost_node %ld lost_floor %ld orders %ld\n", (long)node.lost, (long)flat.lost, (long)(node.orders - orders_before));
}

static void obey(const char *line) {
    char how[16], stem[4096];
    long a, b, c;
    if (sscanf(line, "pids %ld %ld", &a, &b) == 2) {
        node.pid = (pid_t)a;
        flat.pid = (pid_t)b;
        printf("ok\n");
    } else if (sscanf(line, "warm %ld", &a) == 1)
        run("closed", 1, (int)a, 50000, NULL);
    else if (sscanf(line, "%15s %ld %ld %ld %4095s", how, &a, &b, &c, stem) == 5)
        run(how, (int)a, (int)b, c, stem);
    else {
        fprintf(stderr, "client: what is %s", line);
        exit(64);
    }
    fflush(stdout);
}

static void take_session(Side *s, int from) {
    if (s->session >= 0)
        close(s->session);
    s->session = accept(from, NULL, NULL);
    check(s->session >= 0, "accept");
    at_once(s->session);
    s->held = s->answers = 0;
}

// Serve both sides until a line of standard input is there; 0 at its end. It is not looked at before both have come.
static int serve(char *line, int size) {
    for (;;) {
        int both = node.session >= 0 && flat.session >= 0;
        struct pollfd p[6] = {{both ? 0 : -1, POLLIN, 0}, {listener, POLLIN, 0},     {floor_listener, POLLIN, 0},
                              {requests, POLLIN, 0},      {node.session, POLLIN, 0}, {flat.session, POLLIN, 0}};
        poll(p, 6, 50);
        if (p[0].revents)
            return fgets(line, size, stdin) != NULL && strcmp(line, "end\n") != 0;
        if (p[1].revents)
            take_session(&node, listener);
        if (p[2].revents)
            take_session(&flat, floor_listener);
        retransmit();
        for (int k = 0; k < 2; k++) {
            Side *s = k == 0 ? &node : &flat;
            if (s->session < 0)
                continue;
            receive(s);
            flush(s);
            alive(s);
        }
    }
}

// Run before whoever shares the core: real-time where allowed, else as nice as possible.
static const char *go_first(void) {
    struct sched_param first = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &first) == 0)
        return "fifo";
    return nice(-20) == -20 ? "nice" : "plain";
}

int main(int argc, char **argv) {
    if (argc != 4)
        return fprintf(stderr, "usage: client CORE NODE_LINE FLOOR_LINE\n"), 64;
    pin(atoi(argv[1]));
    const char *priority = go_first();
    Side *sides[2] = {&node, &flat};
    node.name = "node";
    node.node = 1;
    flat.name = "floor";
    for (int k = 0; k < 2; k++) {
        sides[k]->session = -1;
        sides[k]->feed = bound(SOCK_DGRAM, 0);
        sides[k]->line = loopback(atoi(argv[2 + k]));
        sides[k]->log = calloc(LOG_MAX, sizeof(Message));
        check(sides[k]->log != NULL, "memory");
    }
    listener = bound(SOCK_STREAM, 0);
    floor_listener = bound(SOCK_STREAM, 0);
    requests = bound(SOCK_DGRAM, 0);
    check(listen(listener, 4) == 0 && listen(floor_listener, 4) == 0, "listen");
    open_market(&node); // who joins later asks for it
    open_market(&flat);
    printf("ports %d %d %d %s\n", port_of(listener), port_of(requests), port_of(floor_listener), priority);
    fflush(stdout);
    char line[4200];
    while (serve(line, sizeof line))
        obey(line);
    if (node.pid)
        kill(node.pid, SIGCONT);
    if (flat.pid)
        kill(flat.pid, SIGCONT);
    return 0;
}
