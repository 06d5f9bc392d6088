#define _POSIX_C_SOURCE 200809L

#include "team.h"

#include <immintrin.h>
#include <sched.h>

#define PATIENCE 2000  // looks for work, some 50 microseconds, before a thread sleeps

// Whether a helper would have a core for itself.
static bool room_for_help(const Team* team) { return atomic_load(team->busy) < team->threads; }

static void work(Team* team, Task* task, const void* context, int count, Room* scratch) {
    for (int index; (index = atomic_fetch_add(&team->next, 1)) < count;) task(context, index, scratch);
}

// The same, as long as no call that has begun since wants the core.
static void work_along(Team* team, Task* task, const void* context, int count, Room* scratch) {
    if (atomic_fetch_add(team->busy, 1) < team->threads)
        while (atomic_load(team->busy) <= team->threads) {
            const int index = atomic_fetch_add(&team->next, 1);
            if (index >= count) break;
            task(context, index, scratch);
        }
    atomic_fetch_sub(team->busy, 1);
}

static void* help(void* argument) {
    Team* team = argument;
    unsigned seen = 0;
    pthread_mutex_lock(&team->lock);
    Room* scratch = &team->scratch[++team->helping];
    for (;;) {
        pthread_mutex_unlock(&team->lock);
        for (int i = 0; i < PATIENCE && atomic_load(&team->round) == seen && room_for_help(team); i++) _mm_pause();
        pthread_mutex_lock(&team->lock);
        while (atomic_load(&team->round) == seen && !team->ending) pthread_cond_wait(&team->changed, &team->lock);
        if (team->ending) break;
        seen = atomic_load(&team->round);
        if (!team->open) continue;
        Task* task = team->task;
        const void* context = team->context;
        const int count = team->count;
        atomic_fetch_add(&team->joined, 1);
        pthread_mutex_unlock(&team->lock);
        work_along(team, task, context, count, scratch);
        atomic_fetch_sub(&team->joined, 1);
        pthread_mutex_lock(&team->lock);
    }
    pthread_mutex_unlock(&team->lock);
    return NULL;
}

void begin(Team* team, int threads) {
    team->threads = threads;
    atomic_fetch_add(team->busy, 1);
    if (team->threads < 2) return;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->changed, NULL);
    for (int i = 1; i < team->threads; i++)
        if (pthread_create(&team->helpers[team->started], NULL, help, team) == 0) team->started++;
}

void end(Team* team) {
    atomic_fetch_sub(team->busy, 1);
    if (team->threads < 2) return;
    pthread_mutex_lock(&team->lock);
    team->ending = true;
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->lock);
    for (int i = 0; i < team->started; i++) pthread_join(team->helpers[i], NULL);
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->lock);
}

void share(Team* team, Task* task, const void* context, int count) {
    if (team && measuring(&team->room)) {
        task(context, 0, &team->scratch[0]);
        return;
    }
    if (!team || team->started == 0 || count < 2 || !room_for_help(team)) {
        for (int index = 0; index < count; index++) task(context, index, team ? &team->scratch[0] : NULL);
        return;
    }
    pthread_mutex_lock(&team->lock);
    team->task = task, team->context = context, team->count = count, team->open = true;
    atomic_store(&team->next, 0);
    atomic_fetch_add(&team->round, 1);
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->lock);
    work(team, task, context, count, &team->scratch[0]);
    // Who comes later finds nothing; who is at work is waited for.
    pthread_mutex_lock(&team->lock);
    team->open = false;
    pthread_mutex_unlock(&team->lock);
    for (int i = 0; atomic_load(&team->joined) > 0; i++)
        if (i < PATIENCE)
            _mm_pause();
        else
            sched_yield();
}

void enter(Team* team, int part) {
    if (!team->seconds) return;
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    const double now = (double)clock.tv_sec + 1e-9 * (double)clock.tv_nsec;
    if (team->since > 0) team->seconds[team->part] += now - team->since;
    team->part = part, team->since = now;
}
