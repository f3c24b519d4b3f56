import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** Fetches a zip, checks its SHA-512 and unpacks it without its top folder: {@code java Download.java URL SHA512 DIRECTORY}. */
final class Download {
    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[2]);
        Files.createDirectories(home.getParent());
        Path zip = Files.createTempFile(home.getParent(), "maven", ".zip");
        try {
            System.err.println("dpo4j: fetching " + arguments[0]);
            String digest = fetch(URI.create(arguments[0]), zip);
            if (!digest.equals(arguments[1])) {
                throw new IOException(arguments[0] + " has SHA-512 " + digest + ", expected " + arguments[1] + ": fetch it by hand or try again");
            }
            Path unpacked = Files.createTempDirectory(home.getParent(), "maven");
            unpack(zip, unpacked);
            Files.move(unpacked, home, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(zip);
        }
    }

    private static String fetch(URI uri, Path target) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-512");
        try (InputStream in = new DigestInputStream(uri.toURL().openStream(), digest)) {
            Files.copy(in, target, StandardCopyOption.REPLACE_EXISTING);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void unpack(Path zip, Path directory) throws IOException {
        try (ZipInputStream in = new ZipInputStream(Files.newInputStream(zip))) {
            for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                Path target = directory.resolve(entry.getName().substring(entry.getName().indexOf('/') + 1)).normalize();
                if (!target.startsWith(directory)) throw new IOException(entry.getName() + " leads out of " + directory);
                if (entry.isDirectory()) Files.createDirectories(target);
                else {
                    Files.createDirectories(target.getParent());
                    Files.copy(in, target, StandardCopyOption.REPLACE_EXISTING);
                }
            }
        }
    }
}
