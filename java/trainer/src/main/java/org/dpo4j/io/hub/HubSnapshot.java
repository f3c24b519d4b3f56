package org.dpo4j.io.hub;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.LongConsumer;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;

/**
 * A commit of the hub whose files are downloaded into the cache, in huggingface_hub's layout. {@code refs} names it only once
 * the files that were asked for are complete, so that a download that was stopped does not replace an older snapshot.
 */
public final class HubSnapshot {
    private final HubRepository repository;
    private final String commit;
    private final HubListing listing;
    private final Download download;

    /** What all downloads of a process share. */
    record Download(
            HubSettings settings,
            HubHttp http,
            HubCache cache,
            HubListener listener,
            Waiting waiting,
            FreeSpace space) {}

    /** Bytes that a user may write on the disk of a directory. */
    @FunctionalInterface
    interface FreeSpace {
        long at(Path directory) throws IOException;
    }

    HubSnapshot(HubRepository repository, String commit, HubListing listing, Download download) {
        this.repository = repository;
        this.commit = commit;
        this.listing = listing;
        this.download = download;
    }

    /** The names of all files of the commit. */
    public Set<String> names() {
        return listing.files().keySet();
    }

    /** The directory of the files that have been fetched. */
    public Path directory() {
        return download.cache().snapshot(repository, commit);
    }

    /** Downloads those of the files that are not in the cache. Throws, before the first, if the disk has too little space. */
    public void fetch(Collection<String> names) {
        List<HubFile> missing = names.stream()
                .map(this::file)
                .distinct()
                .filter(file -> !isHere(file))
                .toList();
        if (missing.isEmpty()) {
            return;
        }
        try {
            OutputFile.makeDirectory(blobs());
            OutputFile.makeDirectory(directory());
            requireSpace(missing);
            long total = missing.stream().mapToLong(HubFile::bytes).sum();
            long done = 0;
            for (HubFile file : missing) {
                long before = done;
                fetch(file, at -> download.listener().downloaded(repository.name(), before + at, total));
                done += file.bytes();
                download.listener().downloaded(repository.name(), done, total);
            }
        } catch (UnreachableException e) {
            throw new Dpo4jException(repository + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw HubErrors.unwritten(directory(), e);
        }
    }

    private HubFile file(String name) {
        HubFile file = listing.files().get(name);
        if (file == null) {
            throw new Dpo4jException(repository + " has no file " + name + "; give another revision");
        }
        return file;
    }

    private Path blobs() {
        return download.cache().blobs(repository);
    }

    private boolean isHere(HubFile file) {
        return hasSize(directory().resolve(file.path()), file);
    }

    private static boolean hasSize(Path path, HubFile file) {
        try {
            return Files.isRegularFile(path) && Files.size(path) == file.bytes();
        } catch (IOException e) {
            return false;
        }
    }

    private Path incomplete(HubFile file) {
        return blobs().resolve(file.tag() + ".incomplete");
    }

    private void requireSpace(List<HubFile> missing) throws IOException {
        long needed = 0;
        for (HubFile file : missing) {
            boolean isBlob = Files.exists(blobs().resolve(file.tag()));
            Path begun = incomplete(file);
            needed += isBlob ? 0 : file.bytes() - (Files.isRegularFile(begun) ? Files.size(begun) : 0);
        }
        long free = download.space().at(blobs());
        if (needed > free) {
            throw new Dpo4jException(repository + " needs " + megabytes(needed) + " more in "
                    + download.cache().directory()
                    + ", but " + megabytes(free)
                    + " of its disk are free; free space, or set HF_HUB_CACHE to a directory on"
                    + " another disk");
        }
    }

    private static String megabytes(long bytes) {
        return String.format(Locale.ROOT, "%,.1f MB", 1e-6 * bytes);
    }

    private void fetch(HubFile file, LongConsumer progress) throws IOException {
        Path blob = blobs().resolve(file.tag());
        Path lock = download.cache().lock(repository, file.tag());
        try (DownloadLock held = DownloadLock.take(lock, download.waiting(), download.listener())) {
            boolean isNew = !hasSize(blob, file);
            if (isHere(file)) {
                return; // another process has downloaded it meanwhile
            }
            if (isNew) {
                content(file, progress).run();
                move(incomplete(file), blob);
            }
            link(file, blob, isNew);
        }
    }

    private BlobDownload content(HubFile file, LongConsumer progress) {
        HubSettings settings = download.settings();
        URI uri = new HubAddresses(settings.endpoint(), repository).content(commit, file.path());
        Retries retries =
                new Retries(settings.endpoint().getHost(), download.waiting(), download.listener(), Retries.MAX);
        BlobDownload.Source source =
                new BlobDownload.Source(download.http(), repository, uri, settings.dataLimit(), download.listener());
        return new BlobDownload(file, incomplete(file), source, retries, progress);
    }

    /** A link to the content, relative, so that the cache can be moved; without symbolic links the content itself. */
    private void link(HubFile file, Path blob, boolean isNew) throws IOException {
        Path place = directory().resolve(file.path());
        Path parent = Objects.requireNonNull(place.toAbsolutePath().getParent());
        OutputFile.makeDirectory(parent);
        Files.deleteIfExists(place);
        if (download.settings().hasSymlinks()) {
            try {
                Files.createSymbolicLink(place, parent.relativize(blob.toAbsolutePath()));
                return;
            } catch (UnsupportedOperationException | FileSystemException e) {
                // as on some network disks and on Windows: the content is moved or copied
            }
        }
        if (isNew) {
            move(blob, place);
        } else {
            Files.copy(blob, place);
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Lets the revision name this commit, unless it is the commit's hash. */
    void refer() {
        if (repository.revision().equals(commit)) {
            return;
        }
        Path reference = download.cache().reference(repository);
        try {
            if (!Files.isRegularFile(reference) || !Files.readString(reference).equals(commit)) {
                OutputFile.makeDirectory(Objects.requireNonNull(reference.getParent()));
                OutputFile.write(reference, commit.getBytes(StandardCharsets.US_ASCII));
            }
        } catch (IOException e) {
            throw HubErrors.unwritten(reference, e);
        }
    }
}
