# SPDX-License-Identifier: MIT
"""Starts the programs that scripts/bench measures, and reads fluxcap's counters from outside."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HUGE_MEMORY = 1 << 30
START_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
WARM_UP = 0.3
# A run whose polling thread waited longer for its CPU than this share of the time says nothing
# about the program: another process had the CPU. It is repeated.
MAX_WAITED = 0.02
MAX_REPEATS = 5
# Two CPUs of a virtual machine may be moved apart and back while it runs. What crosses from one to
# the other then takes several times as long, whatever the program does.
FAR = 2.0
NEAR_TIMEOUT = 90.0


class BenchError(Exception):
    """The benchmark cannot go on; the text says why."""


def undisturbed(run):
    """The first result of run() whose threads had their CPUs, else that which had them most."""
    results = []
    for _ in range(MAX_REPEATS):
        results.append(run())
        if results[-1]['waited'] <= MAX_WAITED:
            break
    return min(results, key=lambda result: result['waited'])


class Distance:
    """How far apart two CPUs are, and runs that happen only while they are near each other."""

    def __init__(self, build_directory, cpus):
        self._command = [str(build_directory / 'tests' / 'bench' / 'distance'), *map(str, cpus)]
        self.nearest = min(self.measure() for _ in range(20))
        self.n_repeated = 0

    def measure(self):
        """Nanoseconds from one to the other and back."""
        time.sleep(0.05)
        return float(subprocess.run(self._command, check=True, capture_output=True).stdout)

    def _is_near(self):
        distance = self.measure()
        self.nearest = min(self.nearest, distance)
        return distance <= FAR * self.nearest

    def near(self, run):
        """The first result of run() with the CPUs near before and after it, if it comes in time."""
        deadline = time.monotonic() + NEAR_TIMEOUT
        while True:
            while not self._is_near() and time.monotonic() < deadline:
                time.sleep(0.5)
            result = run()
            if self._is_near() or time.monotonic() > deadline:
                return result
            self.n_repeated += 1


def build(directory):
    """Build everything in a meson build directory, making it when it is not there."""
    if not (directory / 'build.ninja').exists():
        subprocess.run(['meson', 'setup', '--buildtype=release', str(directory), str(ROOT)],
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['ninja', '-C', str(directory)], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def hugepages():
    """Have HUGE_MEMORY of free hugepages and a mounted hugetlbfs; put back what was changed."""
    with contextlib.ExitStack() as undo:
        _reserve(undo)
        if not any(line.split()[2] == 'hugetlbfs' for line in open('/proc/mounts')):
            directory = undo.enter_context(tempfile.TemporaryDirectory(prefix='fluxcap-huge-'))
            if subprocess.run(['mount', '-t', 'hugetlbfs', 'nodev', directory]).returncode != 0:
                raise BenchError('no hugetlbfs is mounted, and mounting one needs root')
            undo.callback(subprocess.run, ['umount', directory], check=True)
        yield


def _reserve(undo):
    fields = dict(re.findall(r'^(\w+):\s+(\d+)', open('/proc/meminfo').read(), re.M))
    want = HUGE_MEMORY // (int(fields['Hugepagesize']) * 1024)
    missing = want - int(fields['HugePages_Free'])
    if missing <= 0:
        return
    knob = pathlib.Path('/proc/sys/vm/nr_hugepages')
    before = knob.read_text()
    try:
        knob.write_text(str(int(before) + missing))
    except PermissionError as error:
        raise BenchError(f'{missing} more hugepages are needed: run as root, or reserve them'
                         f' ({knob})') from error
    undo.callback(knob.write_text, before)
    if int(knob.read_text()) < int(before) + missing:
        raise BenchError(f'the kernel has no room for {missing} more hugepages')


class Cpus:
    """The CPUs of a run: the workers last, the main lcore and this script away from them."""

    def __init__(self):
        self.all = sorted(os.sched_getaffinity(0))

    def eal(self, n_workers):
        """EAL's --lcores: 0 is the main lcore, 1 to n_workers poll, each on a CPU of its own."""
        if len(self.all) < n_workers:
            raise BenchError(f'{n_workers} CPUs are needed, {len(self.all)} are allowed')
        workers = self.all[len(self.all) - n_workers:][::-1]
        places = [f'0@{self.all[0]}'] + [f'{i + 1}@{cpu}' for i, cpu in enumerate(workers)]
        return ','.join(places)

    def floor(self):
        return f'0@{self.all[-1]}'


def _eal(lcores, prefix, vdevs):
    options = ['--lcores', lcores, '--no-pci', '--huge-unlink', '--file-prefix', prefix]
    for vdev in vdevs:
        options += ['--vdev', vdev]
    return options


def _environment(build_directory, variables):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith('FC_')}
    if variables:
        environment['LD_PRELOAD'] = str(build_directory / 'tests/bench/pace.so')
        environment.update(variables)
    return environment


def gretap_frame(inner_size):
    """An Ethernet frame in GRE over IPv4 (RFC 791, RFC 2784), from 192.0.2.1 to 192.0.2.2."""
    inner = bytes.fromhex('020000000001020000000002 88b5').ljust(inner_size, b'\0')
    gre = bytes.fromhex('0000 6558')
    size = 20 + len(gre) + len(inner)
    ip = bytearray(bytes.fromhex('4500 0000 0000 4000 40 2f 0000 c0000201 c0000202'))
    ip[2:4] = size.to_bytes(2, 'big')
    total = sum(int.from_bytes(ip[i:i + 2], 'big') for i in range(0, 20, 2))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    ip[10:12] = (total ^ 0xffff).to_bytes(2, 'big')
    return bytes.fromhex('020000000002020000000001 0800') + bytes(ip) + gre + inner


def run_floor(build_directory, cpus, n_outputs, seconds, variables=None, perf=False):
    """One run of the floor; its JSON, with instructions_per_packet where perf counts them."""
    prefix = f'fluxcap-floor-{os.getpid()}'
    command = [str(build_directory / 'tests/bench/floor'), '--no-telemetry',
               *_eal(cpus.floor(), prefix, [f'net_null{i}' for i in range(n_outputs + 1)]),
               '--', '--outputs', str(n_outputs), '--seconds', str(round(max(seconds, 1))),
               '--ring']
    with tempfile.NamedTemporaryFile('r') as counts:
        if perf:
            command = ['perf', 'stat', '-x,', '-e', 'instructions:u', '-o', counts.name] + command
        result = _run_program(command, prefix, _environment(build_directory, variables))
        if perf:
            packets = result['packets_in'] + result['packets_warm_up']
            result['instructions_per_packet'] = _perf_count(counts.read()) / packets
    return result


def run_copies(build_directory, cpus, mode, n_bytes, waiting):
    """One run of copies; its JSON."""
    prefix = f'fluxcap-copies-{os.getpid()}'
    vdevs = [f'net_null0,size={n_bytes}', 'net_null1', 'net_null2']
    command = [str(build_directory / 'tests/bench/copies'), '--no-telemetry',
               *_eal(cpus.floor(), prefix, vdevs), '--', '--mode', mode, '--bytes', str(n_bytes),
               '--hold', str(waiting)]
    return _run_program(command, prefix)


def _run_program(command, prefix, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    _remove_runtime(prefix)
    if done.returncode != 0:
        raise BenchError(f'{" ".join(command)}:\n{done.stdout}{done.stderr}')
    return json.loads(done.stdout.splitlines()[-1])


def perf_works():
    """Whether this machine counts user instructions."""
    if shutil.which('perf') is None:
        return False
    done = subprocess.run(['perf', 'stat', '-x,', '-e', 'instructions:u', 'true'],
                          capture_output=True, text=True)
    return done.returncode == 0 and re.search(r'^\d+,', done.stderr, re.M) is not None


def _perf_count(text):
    return int(re.search(r'^(\d+),', text, re.M).group(1))


def _runtime(prefix):
    if 'RUNTIME_DIRECTORY' in os.environ:
        base = os.environ['RUNTIME_DIRECTORY']
    else:
        base = '/var/run' if os.getuid() == 0 else os.environ.get('XDG_RUNTIME_DIR', '/tmp')
    return pathlib.Path(base) / 'dpdk' / prefix


def _remove_runtime(prefix):
    shutil.rmtree(_runtime(prefix), ignore_errors=True)


class Fluxcap:
    """A running fluxcap. Use it with `with`: on the way out it is stopped by SIGTERM."""

    def __init__(self, build_directory, lcores, vdevs, config, variables=None):
        self._prefix = f'fluxcap-bench-{os.getpid()}'
        self._config = config
        self._files = tempfile.TemporaryDirectory(prefix='fluxcap-bench-')
        self._log = pathlib.Path(self._files.name) / 'log'
        path = pathlib.Path(self._files.name) / 'config.json'
        path.write_text(json.dumps(config))
        self._command = [str(build_directory / 'app/fluxcap'),
                         *_eal(lcores, self._prefix, vdevs), '--', '-c', str(path)]
        self._environment = _environment(build_directory, variables)

    def __enter__(self):
        with open(self._log, 'wb') as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log, env=self._environment)
        try:
            self._connect()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind, value, traceback):
        self._socket.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            status = 'still running'
        log = self._log.read_text(errors='replace')
        self._kill()
        if status != 0 and kind is None:
            raise BenchError(f'fluxcap ended badly ({status}):\n{log}')

    def _kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        _remove_runtime(self._prefix)
        self._files.cleanup()

    def _connect(self):
        """Wait for the socket, then for each tap's first packet."""
        deadline = time.monotonic() + START_TIMEOUT
        path = str(_runtime(self._prefix) / 'dpdk_telemetry.v2')
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f'fluxcap does not start:\n{" ".join(self._command)}\n'
                                 + self._log.read_text(errors='replace'))
            try:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                self._socket.settimeout(START_TIMEOUT)
                self._socket.connect(path)
                self._socket.recv(16384)
                if all((self._ask(f'/fluxcap/tap,{tap}') or {}).get('rx_packets')
                       for tap in self._config['taps']):
                    return
            except (FileNotFoundError, ConnectionError):
                pass
            self._socket.close()
            time.sleep(0.02)

    def _ask(self, command):
        self._socket.send(command.encode())
        return json.loads(self._socket.recv(65536))[command.split(',')[0]]

    def _feeds(self):
        return [(tap, name) for name, output in self._config['outputs'].items()
                for tap in output['from']]

    def _read(self):
        """Every counter with the time of its reply."""
        commands = [f'/fluxcap/tap,{tap}' for tap in self._config['taps']]
        commands += [f'/fluxcap/feed,{tap},{output}' for tap, output in self._feeds()]
        replies = {}
        for command in commands:
            replies[command] = (self._ask(command), time.monotonic())
        return replies

    def _waited(self):
        """Seconds that the threads of the process have waited for their CPUs."""
        threads = pathlib.Path(f'/proc/{self._process.pid}/task').glob('*/schedstat')
        return sum(int(thread.read_text().split()[1]) for thread in threads) / 1e9

    def measure(self, seconds, perf=False):
        """Packets per second over an interval: {'taps': {...}, 'feeds': {...}} by field."""
        time.sleep(WARM_UP)
        waited = self._waited()
        before = self._read()
        instructions = None
        if perf:
            done = subprocess.run(['perf', 'stat', '-x,', '-e', 'instructions:u', '-p',
                                   str(self._process.pid), 'sleep', str(seconds)],
                                  capture_output=True, text=True, check=True)
            instructions = _perf_count(done.stderr) / seconds
        else:
            time.sleep(seconds)
        after = self._read()
        rates = {'taps': {}, 'feeds': {}, 'waited': (self._waited() - waited) / seconds}
        for command, (counters, stamp) in before.items():
            later, later_stamp = after[command]
            rate = {field: (later[field] - value) / (later_stamp - stamp)
                    for field, value in counters.items() if isinstance(value, int)}
            kind, *names = command.split('/')[-1].split(',')
            rates[kind + 's'][','.join(names)] = rate
        if instructions is not None:
            packets = sum(tap['rx_packets'] for tap in rates['taps'].values())
            rates['instructions_per_packet'] = instructions / packets
        return rates
