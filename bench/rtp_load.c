/* Callers' media in one thread: sends packets that were encoded beforehand, each call at
 * its own moments, and notes when the packets of the far side came, by the kernel's clock.
 *
 * SRTP is the library that pylibsrtp carries: its functions come in as pointers.  What is no
 * media (STUN, DTLS) goes to the caller through a pipe of datagrams, with the call's index ahead.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SLOT_NS 20000000LL
#define PHASES 40 /* in which calls take turns, within a slot */
#define PHASE_NS (SLOT_NS / PHASES)
#define TRAILER 64
#define REPORT_SLOTS 250

typedef int (*protect_fn)(void *srtp, void *packet, int *size);

struct arrival {
    int64_t at_ns; /* CLOCK_REALTIME */
    uint32_t call, timestamp;
    uint16_t sequence, payload_bytes;
    uint32_t unused; /* makes the struct's end plain */
};

struct call {
    int fd;
    struct sockaddr_in peer;
    void *srtp;
    uint32_t ssrc, timestamp, units; /* of the RTP clock, in a slot */
    uint16_t sequence;
    uint8_t payload_type;
    int32_t slot, index;
    uint32_t packets, bytes;
    int64_t first_slot_ns; /* CLOCK_REALTIME; 0 before it */
    struct call *next;     /* of its phase */
};

struct load {
    protect_fn protect, protect_report;
    const uint8_t *payloads;
    const int32_t *starts, *sizes; /* of a slot's payload; 0 bytes: nothing is sent */
    int32_t slots, calls, capacity;
    int epoll, pipe;
    struct call *call, *phase[PHASES];
    struct arrival *arrivals;
    int64_t arrived, room, sent, worst_lag_ns, lags, late_lags;
    volatile int stopping;
};

static int64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

struct load *load_new(protect_fn protect, protect_fn protect_report, const uint8_t *payloads,
                      const int32_t *starts, const int32_t *sizes, int32_t slots,
                      int32_t capacity, int64_t room, int pipe) {
    struct load *load = calloc(1, sizeof *load);
    load->protect = protect, load->protect_report = protect_report;
    load->payloads = payloads, load->starts = starts, load->sizes = sizes, load->slots = slots;
    load->call = calloc(capacity, sizeof *load->call), load->capacity = capacity;
    load->arrivals = calloc(room, sizeof *load->arrivals), load->room = room;
    load->epoll = epoll_create1(0), load->pipe = pipe;
    return load;
}

void load_free(struct load *load) {
    close(load->epoll);
    free(load->call), free(load->arrivals), free(load);
}

/* May be called while it runs.  Returns the call's index. */
int load_add(struct load *load, int fd, const char *ip, int port, void *srtp, uint32_t ssrc,
             int payload_type, uint32_t units, int32_t slot) {
    if (load->calls == load->capacity) return -1;
    struct call *call = &load->call[load->calls];
    *call = (struct call){.fd = fd, .srtp = srtp, .ssrc = ssrc, .payload_type = payload_type,
                          .units = units, .slot = slot, .index = load->calls};
    call->peer.sin_family = AF_INET, call->peer.sin_port = htons(port);
    if (inet_pton(AF_INET, ip, &call->peer.sin_addr) != 1) return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = call->index};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event)) return -1;
    int phase = call->index * 17 % PHASES; /* neighbours far from each other */
    call->next = load->phase[phase];
    __atomic_store_n(&load->phase[phase], call, __ATOMIC_RELEASE);
    return load->calls++;
}

static void send_report(struct load *load, struct call *call) {
    uint32_t packet[7 + TRAILER / 4];
    int64_t now = now_ns(CLOCK_REALTIME);
    packet[0] = htonl(0x80c80006), packet[1] = htonl(call->ssrc);
    packet[2] = htonl((uint32_t)(now / 1000000000 + 2208988800LL));
    packet[3] = htonl((uint32_t)(((now % 1000000000) << 32) / 1000000000));
    packet[4] = htonl(call->timestamp), packet[5] = htonl(call->packets);
    packet[6] = htonl(call->bytes);
    int size = 28;
    if (load->protect_report(call->srtp, packet, &size) == 0)
        sendto(call->fd, packet, size, MSG_DONTWAIT, (void *)&call->peer, sizeof call->peer);
}

static void send_slot(struct load *load, struct call *call) {
    if (!call->first_slot_ns) call->first_slot_ns = now_ns(CLOCK_REALTIME);
    int slot = call->slot, bytes = load->sizes[slot];
    call->slot = slot + 1 == load->slots ? 0 : slot + 1;
    call->timestamp += call->units;
    if (bytes) {
        uint8_t packet[1500] = {0x90, call->payload_type};
        uint32_t stamp = htonl(call->timestamp), ssrc = htonl(call->ssrc);
        uint16_t sequence = htons(call->sequence++);
        memcpy(packet + 2, &sequence, 2), memcpy(packet + 4, &stamp, 4);
        memcpy(packet + 8, &ssrc, 4);
        /* Header extensions as browsers send them: a mid and a level. */
        memcpy(packet + 12, "\xbe\xde\x00\x01\x10\x30\x20\x9e", 8);
        memcpy(packet + 20, load->payloads + load->starts[slot], bytes);
        int size = 20 + bytes;
        if (load->protect(call->srtp, packet, &size) == 0) {
            sendto(call->fd, packet, size, MSG_DONTWAIT, (void *)&call->peer, sizeof call->peer);
            load->sent++;
        }
        call->packets++, call->bytes += bytes;
    }
    if ((call->timestamp / call->units + call->index) % REPORT_SLOTS == 0) send_report(load, call);
}

static int64_t kernel_time_ns(struct msghdr *message) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec *t = (void *)CMSG_DATA(c);
            return t->tv_sec * 1000000000LL + t->tv_nsec;
        }
    return 0;
}

static void receive(struct load *load, uint32_t index) {
    uint8_t buffer[4 + 2048], *data = buffer + 4;
    char control[128];
    for (;;) {
        struct iovec piece = {data, 2048};
        struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control,
                                 .msg_controllen = sizeof control};
        int size = recvmsg(load->call[index].fd, &message, MSG_DONTWAIT);
        if (size <= 0) return;
        if (data[0] < 128 || data[0] > 191) {
            memcpy(buffer, &index, 4);
            if (write(load->pipe, buffer, 4 + size) < 0) continue; /* full: it is sent again */
        } else if (size >= 12 && (data[1] < 192 || data[1] > 223) && load->arrived < load->room) {
            uint32_t stamp;
            memcpy(&stamp, data + 4, 4);
            load->arrivals[load->arrived++] =
                (struct arrival){.at_ns = kernel_time_ns(&message), .call = index,
                                 .timestamp = ntohl(stamp),
                                 .sequence = data[2] << 8 | data[3],
                                 .payload_bytes = size - 12 > 16 ? size - 28 : 0};
        }
    }
}

/* Runs until load_stop; the thread is the caller's. */
void load_run(struct load *load) {
    struct epoll_event events[256];
    int64_t due = now_ns(CLOCK_MONOTONIC);
    for (int phase = 0; !load->stopping; phase = (phase + 1) % PHASES, due += PHASE_NS) {
        int64_t left;
        while ((left = due - now_ns(CLOCK_MONOTONIC)) > 0) {
            struct timespec wait = {0, left};
            int count = epoll_pwait2(load->epoll, events, 256, &wait, NULL);
            for (int i = 0; i < count; i++) receive(load, events[i].data.u32);
        }
        load->lags++, load->late_lags += -left > 2000000;
        if (-left > load->worst_lag_ns) load->worst_lag_ns = -left;
        struct call *call = __atomic_load_n(&load->phase[phase], __ATOMIC_ACQUIRE);
        for (; call; call = call->next) send_slot(load, call);
    }
}

void load_stop(struct load *load) { load->stopping = 1; }

void load_forget_counts(struct load *load) {
    load->sent = load->worst_lag_ns = load->lags = load->late_lags = 0;
}

struct arrival *load_arrivals(struct load *load, int64_t *count) {
    *count = load->arrived;
    return load->arrivals;
}

/* sent, worst lag in ns, share of phases more than 2 ms late in ppm */
void load_counts(struct load *load, int64_t *out) {
    out[0] = load->sent, out[1] = load->worst_lag_ns;
    out[2] = load->lags ? load->late_lags * 1000000 / load->lags : 0;
}

int64_t load_first_slot_ns(struct load *load, int index) {
    return load->call[index].first_slot_ns;
}
