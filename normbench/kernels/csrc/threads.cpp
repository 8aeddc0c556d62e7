// A pool of threads that live as long as the process. See threads.h.
//
// Tasks are handed out by one atomic word, the offer: a bit for each task of the stage that nobody has taken, and the
// stage's number. A thread that finds no task waits for the next number, awake for a few microseconds, then asleep.
//
// Each working thread has a core of its own, if there are enough. Where another process keeps the other cores busy,
// Linux wakes a thread on the core of the one that wakes it, and leaves both there for a tenth of a second. They take
// turns then, and a step takes as long as with one thread. And before a thread sleeps because another one is not done,
// it gives its core to that one if it has none: Linux would let it wait for some milliseconds.
#include "threads.h"

#include <pthread.h>
#include <time.h>

#include <atomic>
#include <mutex>

#include "cores.h"

namespace {

constexpr int64_t kAwakeNanoseconds = 5000;  // about as long as it takes to wake a thread

void relax() {  // tells the processor that the thread only waits
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    asm volatile("yield");
#endif
}

int64_t nanoseconds() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

uint32_t open_tasks(uint64_t offer) { return (uint32_t)offer; }
uint32_t stage_number(uint64_t offer) { return offer >> 32; }

class Pool {
  public:
    bool try_run(Work &given, int64_t num_threads) {
        std::unique_lock<std::mutex> only_caller(in_use, std::try_to_lock);
        if (!only_caller.owns_lock()) return false;
        threads = start_workers(num_threads < kMaxTasks ? num_threads : kMaxTasks);
        members[0].handle.set_to_caller();
        work = &given;
        done = false;
        open_stage(0);
        // The offer is read before `done`: with the last offer `done` is seen too.
        for (uint64_t seen = offer; !done; seen = offer) take_task_or_wait(0, seen);
        return true;
    }

  private:
    // One of the threads. Padded, so that none is disturbed by what another one writes.
    struct alignas(128) Member {
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        pthread_cond_t call = PTHREAD_COND_INITIALIZER;
        std::atomic<bool> asleep{false}, at_work{false};
        std::atomic<int64_t> core{kNoCore};  // where its thread works; kNoCore while it sleeps
        ThreadHandle handle;
    };
    struct Worker {
        Pool *pool;
        int thread;
    };

    // The offer comes with these. They are written before it, and read by threads that then take a task of the same
    // offer or find that there is a new one.
    std::atomic<int> threads{1}, num_tasks{0};
    Work *work = nullptr;
    alignas(128) std::atomic<uint64_t> offer{0};
    alignas(128) std::atomic<int> unfinished{0};
    std::atomic<bool> done{true};
    std::mutex in_use;
    int num_workers = 0;  // besides the caller
    Member members[kMaxTasks];

    // Returns how many threads there are, at most as many as are wanted: the system may refuse to start more.
    int start_workers(int wanted) {
        while (num_workers + 1 < wanted) {
            Worker *worker = new Worker{this, num_workers + 1};
            pthread_t handle;
            if (pthread_create(&handle, nullptr, work_forever, worker)) {
                delete worker;
                return num_workers + 1;
            }
            pthread_detach(handle);
            num_workers++;
        }
        return wanted;
    }

    static void *work_forever(void *argument) {
        const Worker &worker = *(const Worker *)argument;
        worker.pool->members[worker.thread].handle.set_to_caller();
        while (true) worker.pool->take_task_or_wait(worker.thread, worker.pool->offer);
    }

    void take_task_or_wait(int thread, uint64_t seen) {
        const uint32_t stage = stage_number(seen);
        while (open_tasks(seen)) {
            const int sharing = threads;
            if (thread >= sharing) break;
            // Before it has a task, which others may have to wait for.
            if (current_core() != members[thread].core) find_own_core(thread);
            const int task = choose(open_tasks(seen), thread * num_tasks / sharing);
            if (!offer.compare_exchange_weak(seen, seen & ~(1ull << task))) continue;
            members[thread].at_work = true;
            work->run(task, thread);
            if (--unfinished == 0) open_stage(thread);
            members[thread].at_work = false;
            return;
        }
        wait(thread, stage);
    }

    // The first open task from `preferred` on, round. So a thread does the same images in all stages, and finds them in
    // its cache, as long as nobody is late.
    static int choose(uint32_t open, int preferred) {
        const uint32_t from_preferred = open & ~0u << preferred;
        return __builtin_ctz(from_preferred ? from_preferred : open);
    }

    void find_own_core(int thread) {
        int64_t others[kMaxTasks], num_others = 0;
        const int64_t here = current_core();
        bool shared = false;
        for (int other = 0; other < threads; other++) {
            const int64_t core = members[other].core;
            if (other == thread || core == kNoCore) continue;
            others[num_others++] = core;
            shared = shared || core == here;
        }
        if (shared) leave_cores(others, num_others);
        members[thread].core = current_core();
    }

    // Another thread that has a task. Threads that wait look at different ones.
    const Member *next_at_work(int thread) const {
        const int sharing = threads;
        for (int i = 1; i < sharing; i++) {
            const Member &other = members[(thread + i) % sharing];
            if (other.at_work) return &other;
        }
        return nullptr;
    }

    void open_stage(int thread) {
        const int64_t count = work->next_stage();
        const uint64_t next = (uint64_t)(stage_number(offer) + 1) << 32;
        if (count == 0) {
            done = true;
            offer = next;
            if (thread != 0) wake(0);
            return;
        }
        num_tasks = count;
        unfinished = count;
        offer = next | (~0u >> (kMaxTasks - count));
        const int useful = threads < count ? (int)threads : (int)count;
        for (int other = 0; other < useful; other++)
            if (other != thread) wake(other);
    }

    void wait(int thread, uint32_t stage) {
        const auto is_over = [&] { return stage_number(offer) != stage; };
        const Member *late = next_at_work(thread);
        const int64_t run_time = late ? late->handle.run_time() : 0;
        const int64_t begin = nanoseconds();
        do {
            for (int i = 0; i < 16; i++) {
                if (is_over()) return;
                relax();
            }
        } while (nanoseconds() - begin < kAwakeNanoseconds);
        if (late && late->at_work && late->handle.run_time() == run_time) late->handle.bring_here();
        Member &member = members[thread];
        pthread_mutex_lock(&member.mutex);
        member.asleep = true;
        member.core = kNoCore;
        while (!is_over()) pthread_cond_wait(&member.call, &member.mutex);
        member.asleep = false;
        pthread_mutex_unlock(&member.mutex);
    }

    void wake(int thread) {
        Member &member = members[thread];
        if (!member.asleep) return;
        pthread_mutex_lock(&member.mutex);  // who is about to sleep holds it until then
        pthread_mutex_unlock(&member.mutex);
        pthread_cond_signal(&member.call);
    }
};

// Never deleted: its threads sleep until the process ends. A forked process has none of them and begins anew.
Pool *pool = new Pool;
const int registered = pthread_atfork(nullptr, nullptr, [] { pool = new Pool; });

void run_alone(Work &work) {
    while (const int64_t count = work.next_stage())
        for (int64_t task = 0; task < count; task++) work.run(task, 0);
}

}  // namespace

void run_in_stages(Work &work, int64_t num_threads) {
    if (num_threads <= 1 || !pool->try_run(work, num_threads)) run_alone(work);
}
