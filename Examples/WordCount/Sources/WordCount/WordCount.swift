import Apus

/// Counts the words of all files on all CPUs and prints the most frequent ones.
///
///     apus run Examples/WordCount --cpus 4 --rootfs DIR -- --top 10
///
/// Words are runs of ASCII letters, upper and lower case alike. The files are cut into chunks; a thread
/// for each CPU takes one after the other and counts into a table of its own, and the tables are merged
/// at the end, each thread taking a share of the words.
///
/// Besides the files themselves it needs about 100 bytes for each different word that a thread meets,
/// and as much again while a table grows or is merged.
@main struct WordCount {
  static func main() {
    do throws(Options.UsageError) {
      let options = try Options(CommandLine.arguments.dropFirst())
      count(options)
    } catch {
      Console.error(error.message)
      exit(64)
    }
  }

  private static func count(_ options: Options) {
    let start = MonotonicClock.nanoseconds
    let corpus = Corpus(texts(), workerCount: CPU.count)
    let workers = Workers(count: CPU.count)
    withParallelChunks(of: 0..<corpus.chunks.count) { chunks in
      while let part = chunks.next() {
        for index in part {
          workers.count(corpus.chunks[index], of: corpus, worker: chunks.worker)
        }
      }
    }
    parallelFor(0..<workers.count) { workers.merge(share: $0, limit: options.top) }
    print(workers.top(limit: options.top))
    if !Console.isQuiet {
      report(corpus, workers, nanoseconds: MonotonicClock.nanoseconds - start)
    }
  }

  private static func texts() -> [UnsafeRawBufferPointer] {
    var texts: [UnsafeRawBufferPointer] = []
    for file in FileSystem.files {
      do throws(FileSystemError) {
        texts.append(try FileSystem.contents(of: file.path))
      } catch {
        Console.error("cannot read \(file.path): \(error)")
        exit(1)
      }
    }
    return texts
  }

  private static func print(_ entries: [WordTable.Entry]) {
    var result = ResultWriter { Console.write($0) }
    for entry in entries { result.append(entry) }
    result.flush()
  }

  private static func report(
    _ corpus: Corpus, _ workers: borrowing Workers, nanoseconds: UInt64
  ) {
    let work = workers.work
    let total = work.reduce(Work(), +)
    for index in 0..<work.count {
      Console.error(work[index].line(for: "thread\(index)", total: total))
    }
    Console.error(
      "\(total.words) words, \(workers.distinctCount) different ones, in \(corpus.texts.count) files"
        + " of \(corpus.byteCount) bytes: \(nanoseconds / 1_000_000) ms on \(work.count) CPUs")
  }
}
