"""A /proc and /sys that look like a machine's: text files, the kernel's formats."""

from pathlib import Path

CPU = "sys/devices/system/cpu"
CONTENT = {
    "proc/sys/net/core/rmem_max": "212992\n",
    "proc/sys/net/core/wmem_max": "99999999\n",
    "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
    "proc/sys/net/ipv4/tcp_autocorking": "1\n",
    "proc/sys/net/ipv4/tcp_sack": "1\n",
    "proc/sys/vm/swappiness": "60\n",
    "proc/sys/kernel/numa_balancing": "1\n",
    "proc/sys/kernel/watchdog_cpumask": "0-7\n",
    "proc/irq/default_smp_affinity": "ff\n",
    "proc/irq/24/smp_affinity_list": "0-7\n",
    "proc/irq/25/smp_affinity_list": "3\n",
    "proc/irq/26/smp_affinity_list": "1\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n",
    "sys/devices/virtual/workqueue/cpumask": "ff\n",
    f"{CPU}/online": "0-7\n",
    f"{CPU}/cpu3/cpufreq/scaling_governor": "powersave\n",
}


class Kernel:
    """The tree's behaviour where a file is not enough: what was written to a choice is shown in brackets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in CONTENT.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def settle(self) -> None:
        """Show a choice as the kernel does."""
        path = self.root / "sys/kernel/mm/transparent_hugepage/enabled"
        word = path.read_text().split() or ["never"]  # killed between open and write
        chosen = word[0].strip("[]") if len(word) == 1 else next(w.strip("[]") for w in word if w.startswith("["))
        path.write_text(" ".join(f"[{w}]" if w == chosen else w for w in ("always", "madvise", "never")) + "\n")

    def look(self) -> dict[str, str]:
        """Give every value in one form."""
        self.settle()
        return {str(f.relative_to(self.root)): " ".join(f.read_text().split()) for f in sorted(self.root.rglob("*")) if f.is_file()}
