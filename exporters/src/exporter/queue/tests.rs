use std::sync::Arc;

use pidflow_schema::{Process, kept_bytes};

use super::*;
use crate::sample;

const MANY_BYTES: usize = 1 << 40;

fn queue(records: usize) -> Queue {
    Queue::new(Limits { records, bytes: MANY_BYTES })
}

fn batch(n: usize) -> Batch {
    Batch::new(sample::records(n).into())
}

/// The first times of the records taken from a queue, which identify the records.
fn rest(queue: &Queue) -> Vec<u64> {
    let mut all = Vec::new();
    while let Popped::Records(part) = queue.pop(Duration::ZERO) {
        all.extend(part.iter().map(|r| r.flow.first_ns));
    }
    all
}

#[test]
fn the_oldest_records_go_and_no_more_than_must() {
    let queue = queue(10);
    assert_eq!(queue.push_dropping(&batch(4)), Ok(0));
    assert_eq!(queue.push_dropping(&batch(5)), Ok(0));
    assert_eq!(queue.push_dropping(&batch(3)), Ok(2), "of the first batch two are left");
    assert_eq!(queue.len(), 10);
    let Popped::Records(oldest) = queue.pop(Duration::ZERO) else { panic!("nothing") };
    assert_eq!(*oldest, sample::records(4)[2..]);
}

#[test]
fn the_bound_holds_for_batches_of_any_size() {
    for limit in [1, 7, 64] {
        let queue = queue(limit);
        let mut pushed = 0;
        let mut dropped = 0;
        for size in [1, 3, 200, 64, 65, 2, 1, 0, 7] {
            let all = Batch::new((pushed..pushed + size).map(sample::record).collect());
            pushed += size;
            dropped += queue.push_dropping(&all).unwrap() as u64;
            assert!(queue.len() <= limit, "{} of {limit}", queue.len());
            assert_eq!(queue.len() as u64 + dropped, pushed);
        }
        let newest: Vec<_> = (pushed - queue.len() as u64..pushed).map(|n| sample::record(n).flow.first_ns).collect();
        assert_eq!(rest(&queue), newest);
    }
}

#[test]
fn one_batch_that_is_larger_than_the_queue_leaves_its_newest() {
    let queue = queue(10);
    assert_eq!(queue.push_dropping(&batch(50)), Ok(40));
    let Popped::Records(part) = queue.pop(Duration::ZERO) else { panic!("nothing") };
    assert_eq!(*part, sample::records(50)[40..]);
    assert_eq!(queue.bytes(), 0);
}

fn with_command_line(length: usize, records: usize) -> Batch {
    let line = "x".repeat(length);
    let with = |mut record: pidflow_schema::FlowRecord| {
        let process = Process { command_line: line.as_str().into(), ..Process::default() };
        record.source.process = Some(Arc::new(process));
        record
    };
    Batch::new(sample::records(records).into_iter().map(with).collect())
}

#[test]
fn long_command_lines_count() {
    let queue = Queue::new(Limits { records: 1_000_000, bytes: 1 << 20 });
    let (mut pushed, mut dropped) = (0, 0);
    for _ in 0..20 {
        let batch = with_command_line(4096, 50);
        pushed += batch.len();
        dropped += queue.push_dropping(&batch).unwrap();
        assert!(queue.bytes() <= 1 << 20, "{}", queue.bytes());
        assert_eq!(queue.len() + dropped, pushed);
    }
    assert!(queue.len() >= 150, "{} are less than fit", queue.len());
}

#[test]
fn what_is_shared_within_a_batch_counts_once() {
    let one = Arc::new(Process { command_line: "x".repeat(100_000).into(), ..Process::default() });
    let mut records = sample::records(100);
    for (place, record) in records.iter_mut().enumerate() {
        // The records alternate between two processes, one of which is a copy with the same texts.
        let process = if place % 2 == 0 { one.clone() } else { Arc::new(Process::clone(&one)) };
        (record.source.process, record.destination.process) = (Some(process), None);
    }
    assert!(kept_bytes(&records) < 100_000 + 100 * 1500, "{}", kept_bytes(&records));
}

#[test]
fn a_batch_that_keeps_more_than_all_may_is_held_alone() {
    let queue = Queue::new(Limits { records: 100, bytes: 1000 });
    assert_eq!(queue.push_dropping(&with_command_line(4096, 3)), Ok(0));
    assert_eq!(queue.push_dropping(&with_command_line(4096, 4)), Ok(3));
    assert_eq!(queue.len(), 4);
}

#[test]
fn hands_out_the_rest_after_closing() {
    let queue = queue(10);
    queue.push_waiting(&batch(2)).unwrap();
    queue.close();
    assert_eq!(queue.push_waiting(&batch(3)), Err(Closed(3)));
    assert_eq!(queue.push_dropping(&batch(5)), Err(Closed(5)));
    assert!(matches!(queue.pop(Duration::ZERO), Popped::Records(_)));
    assert!(matches!(queue.pop(Duration::ZERO), Popped::Closed));
}

#[test]
fn waits_for_room_and_goes_in_part_by_part() {
    let queue = Arc::new(queue(4));
    let producer = std::thread::spawn({
        let queue = queue.clone();
        move || queue.push_waiting(&batch(11))
    });
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 11 {
        let Popped::Records(part) = queue.pop(Duration::from_secs(5)) else { panic!("{sizes:?}") };
        sizes.push(part.len());
    }
    assert_eq!(producer.join().unwrap(), Ok(0));
    assert!(sizes.iter().all(|size| *size <= 4), "{sizes:?}");
}

#[test]
fn a_push_waiting_for_room_returns_when_the_queue_closes() {
    let queue = Arc::new(queue(4));
    let producer = std::thread::spawn({
        let queue = queue.clone();
        move || queue.push_waiting(&batch(11))
    });
    while queue.len() < 4 {
        std::thread::yield_now();
    }
    queue.close();
    assert_eq!(producer.join().unwrap(), Err(Closed(7)));
}
