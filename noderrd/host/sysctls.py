"""The sysctls that matter to a trading host: value, why, and where it says so. `least`: a larger value that is there stays."""

from typing import NamedTuple

IP = "kernel Documentation/networking/ip-sysctl.rst"
NET = "kernel Documentation/admin-guide/sysctl/net.rst"
VM = "kernel Documentation/admin-guide/sysctl/vm.rst"
KERNEL = "kernel Documentation/admin-guide/sysctl/kernel.rst"


class Sysctl(NamedTuple):
    """One line of the tables below."""

    name: str
    value: str
    why: str
    source: str
    least: bool = False


NETWORK = (
    Sysctl("net.core.rmem_max", "67108864", "a feed's burst waits in the socket while the lane is busy elsewhere", NET, least=True),
    Sysctl("net.core.wmem_max", "16777216", "an order session may ask for a large send buffer", NET, least=True),
    Sysctl("net.core.rmem_default", "1048576", "sockets that ask for nothing still hold a burst", NET, least=True),
    Sysctl("net.core.optmem_max", "131072", "room for time stamps and other control messages", NET, least=True),
    Sysctl("net.core.netdev_max_backlog", "16384", "packets that wait for a core are not dropped before they reach a socket", NET, least=True),
    Sysctl("net.core.netdev_budget", "600", "one round of the receive soft interrupt takes a burst whole", NET, least=True),
    Sysctl("net.core.netdev_budget_usecs", "8000", "the same in time", NET, least=True),
    Sysctl("net.core.busy_poll", "50", "poll and select spin on the card for 50 us before they sleep", NET),
    Sysctl("net.core.busy_read", "50", "a read spins on the card for 50 us before it sleeps", NET),
    Sysctl("net.core.bpf_jit_enable", "1", "XDP programs run as machine code", NET),
    Sysctl("net.core.somaxconn", "4096", "listeners of the telemetry and control side never refuse for lack of a slot", NET, least=True),
    Sysctl("net.ipv4.tcp_rmem", "4096 131072 33554432", "room for a TCP feed's burst", IP, least=True),
    Sysctl("net.ipv4.tcp_wmem", "4096 65536 16777216", "a burst of orders never waits for memory", IP, least=True),
    Sysctl("net.ipv4.tcp_low_latency", "1", "before Linux 4.14: no prequeue", IP),
    Sysctl("net.ipv4.tcp_slow_start_after_idle", "0", "an order after a quiet minute does not start with a small window", IP),
    Sysctl("net.ipv4.tcp_autocorking", "0", "small writes leave at once", IP),
    Sysctl("net.ipv4.tcp_thin_linear_timeouts", "1", "a thin stream of orders retries linearly, not exponentially", IP),
    Sysctl("net.ipv4.tcp_syn_linear_timeouts", "4", "a lost SYN is repeated after one second, four times", IP, least=True),
    Sysctl("net.ipv4.tcp_no_metrics_save", "1", "one bad minute does not slow the next connection to the same venue", IP),
    Sysctl("net.ipv4.tcp_notsent_lowat", "131072", "what waits in the kernel cannot be cancelled: keep it small", IP),
    Sysctl("net.ipv4.tcp_fastopen", "3", "a reconnect may carry its login in the SYN", IP),
    Sysctl("net.ipv4.tcp_syn_retries", "3", "a venue that does not answer is known as such within 15 s", IP),
    Sysctl("net.ipv4.tcp_retries2", "8", "a dead connection ends within 100 s even where no user time-out is set", IP),
    Sysctl("net.ipv4.tcp_keepalive_time", "30", "a silent peer is asked after 30 s", IP),
    Sysctl("net.ipv4.tcp_keepalive_intvl", "5", "and every 5 s", IP),
    Sysctl("net.ipv4.tcp_keepalive_probes", "3", "and given up after three", IP),
    Sysctl("net.ipv4.tcp_comp_sack_delay_ns", "0", "acknowledgements of gaps leave at once", IP),
    Sysctl("net.ipv4.tcp_backlog_ack_defer", "0", "acknowledgements are not held back under load", IP),
    Sysctl("net.ipv4.tcp_tso_win_divisor", "1", "a segment never waits to become a larger one", IP),
    Sysctl("net.ipv4.tcp_mtu_probing", "1", "a path that drops large packets silently does not hang a session", IP),
    Sysctl("net.ipv4.tcp_ecn", "0", "some venues' firewalls drop what asks for ECN", IP),
    Sysctl("net.ipv4.tcp_tw_reuse", "1", "reconnects find a port", IP),
    Sysctl("net.ipv4.tcp_sack", "1", "one lost segment costs one", IP),
    Sysctl("net.ipv4.tcp_timestamps", "1", "round trips are measured per segment", IP),
    Sysctl("net.ipv4.udp_rmem_min", "16384", "a feed socket keeps this much under memory pressure", IP, least=True),
    Sysctl("net.ipv4.igmp_max_memberships", "512", "a feed has many groups", IP, least=True),
    Sysctl("net.ipv4.igmp_max_msf", "64", "source filters for groups with several senders", IP, least=True),
    Sysctl("net.ipv4.igmp_qrv", "2", "membership reports are repeated as RFC 3376 says", IP),
    Sysctl("net.ipv4.neigh.default.gc_thresh1", "1024", "neighbours stay known", IP, least=True),
    Sysctl("net.ipv4.neigh.default.gc_thresh2", "2048", "neighbours stay known", IP, least=True),
    Sysctl("net.ipv4.neigh.default.gc_thresh3", "4096", "neighbours stay known", IP, least=True),
)

# Of each interface; {} is its name.
INTERFACE = (
    Sysctl("net.ipv4.conf.{}.rp_filter", "2", "feeds come from addresses that are routed elsewhere: accept them if they are routed at all", IP),
    Sysctl("net.ipv4.conf.{}.accept_redirects", "0", "nobody else chooses the way of an order", IP),
    Sysctl("net.ipv4.conf.{}.secure_redirects", "0", "nobody else chooses the way of an order", IP),
    Sysctl("net.ipv4.conf.{}.arp_announce", "2", "ask with the address that belongs to this wire", IP),
    Sysctl("net.ipv4.conf.{}.arp_ignore", "1", "answer only for addresses of this wire", IP),
    Sysctl("net.ipv4.neigh.{}.unres_qlen_bytes", "1048576", "packets that wait for a neighbour's address are kept", IP, least=True),
    Sysctl("net.ipv4.neigh.{}.base_reachable_time_ms", "300000", "a neighbour is asked again every five minutes, not every half", IP, least=True),
)

MEMORY = (
    Sysctl("vm.swappiness", "1", "pages of the node are the last to be swapped", VM),
    Sysctl("vm.stat_interval", "120", "the kernel's statistics visit each core every two minutes, not every second", VM, least=True),
    Sysctl("vm.compaction_proactiveness", "0", "no background compaction, which stalls whoever touches the pages it moves", VM),
    Sysctl("vm.zone_reclaim_mode", "0", "take memory of another node before reclaiming one's own on the spot", VM),
    Sysctl("vm.watermark_boost_factor", "0", "no reclaim in bursts because of fragmentation", VM),
)

SCHEDULER = (
    Sysctl("kernel.numa_balancing", "0", "no page faults on purpose to learn who uses what", KERNEL),
    Sysctl("kernel.timer_migration", "0", "timers stay on the core that set them", KERNEL),
    Sysctl("kernel.nmi_watchdog", "0", "no periodic NMI on the lane's core", KERNEL),
    Sysctl("kernel.sched_autogroup_enabled", "0", "a terminal's load is not given half of a core as a group", KERNEL),
    Sysctl("kernel.sched_min_granularity_ns", "10000000", "before Linux 5.13: fewer switches", KERNEL),
    Sysctl("kernel.sched_migration_cost_ns", "5000000", "before Linux 5.13: tasks stay where their cache is", KERNEL),
)
