#define _POSIX_C_SOURCE 200809L

#include "thread_pool.h"

#include <immintrin.h>

#define SPINS 2000  // about 50 microseconds: how long a thread waits busily before it sleeps

// Whether there is a free core for a worker.
static bool core_is_free(const ThreadPool* pool) { return atomic_load(pool->active) < pool->threads; }

static void run_tasks(ThreadPool* pool, Task* task, const void* context, int count, Arena* scratch) {
    for (int index; (index = atomic_fetch_add(&pool->next_index, 1)) < count;) task(context, index, scratch);
}

// Run tasks until they are all taken, or until another call needs this core.
static void help_while_idle(ThreadPool* pool, Task* task, const void* context, int count, Arena* scratch) {
    if (atomic_fetch_add(pool->active, 1) < pool->threads)
        while (atomic_load(pool->active) <= pool->threads) {
            const int index = atomic_fetch_add(&pool->next_index, 1);
            if (index >= count) break;
            task(context, index, scratch);
        }
    atomic_fetch_sub(pool->active, 1);
}

static void* worker_main(void* argument) {
    ThreadPool* pool = argument;
    unsigned seen = 0;  // generation of the last loop that this worker joined
    pthread_mutex_lock(&pool->lock);
    Arena* scratch = &pool->scratch[++pool->workers_ready];
    for (;;) {
        pthread_mutex_unlock(&pool->lock);
        for (int i = 0; i < SPINS && atomic_load(&pool->generation) == seen && core_is_free(pool); i++) _mm_pause();
        pthread_mutex_lock(&pool->lock);
        while (atomic_load(&pool->generation) == seen && !pool->stopping)
            pthread_cond_wait(&pool->wakeup, &pool->lock);
        if (pool->stopping) break;
        seen = atomic_load(&pool->generation);
        if (!pool->accepting) continue;
        Task* task = pool->task;
        const void* context = pool->context;
        const int count = pool->count;
        atomic_fetch_add(&pool->workers_active, 1);
        pthread_mutex_unlock(&pool->lock);
        help_while_idle(pool, task, context, count, scratch);
        pthread_mutex_lock(&pool->lock);
        if (atomic_fetch_sub(&pool->workers_active, 1) == 1) pthread_cond_signal(&pool->finished);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void pool_start(ThreadPool* pool, int threads) {
    pool->threads = threads;
    atomic_fetch_add(pool->active, 1);
    if (pool->threads < 2) return;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wakeup, NULL);
    pthread_cond_init(&pool->finished, NULL);
    // Fewer workers than requested are no error: the calling thread can run all tasks.
    for (int i = 1; i < pool->threads; i++)
        if (pthread_create(&pool->workers[pool->workers_started], NULL, worker_main, pool) == 0)
            pool->workers_started++;
}

void pool_stop(ThreadPool* pool) {
    atomic_fetch_sub(pool->active, 1);
    if (pool->threads < 2) return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wakeup);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->workers_started; i++) pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->wakeup);
    pthread_cond_destroy(&pool->finished);
    pthread_mutex_destroy(&pool->lock);
}

void parallel_for(ThreadPool* pool, Task* task, const void* context, int count) {
    if (pool && is_plan(&pool->arena)) return;
    if (!pool || pool->workers_started == 0 || count < 2 || !core_is_free(pool)) {
        for (int index = 0; index < count; index++) task(context, index, pool ? &pool->scratch[0] : NULL);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->task = task, pool->context = context, pool->count = count, pool->accepting = true;
    atomic_store(&pool->next_index, 0);
    atomic_fetch_add(&pool->generation, 1);
    pthread_cond_broadcast(&pool->wakeup);
    pthread_mutex_unlock(&pool->lock);
    run_tasks(pool, task, context, count, &pool->scratch[0]);
    // Workers that wake up late find the loop closed; wait for those that still run a task.
    pthread_mutex_lock(&pool->lock);
    pool->accepting = false;
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < SPINS && atomic_load(&pool->workers_active) > 0; i++) _mm_pause();
    // With other programs, a worker may have lost its core for milliseconds. Sleep: a busy thread would use up this
    // process's share of the cores.
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->workers_active) > 0) pthread_cond_wait(&pool->finished, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void enter_stage(ThreadPool* pool, int stage) {
    if (!pool->seconds) return;
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    const double now = (double)clock.tv_sec + 1e-9 * (double)clock.tv_nsec;
    if (pool->stage_started > 0) pool->seconds[pool->stage] += now - pool->stage_started;
    pool->stage = stage, pool->stage_started = now;
}
