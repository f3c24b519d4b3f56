package org.dpo4j.report.tensorboard;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;

/**
 * An event file: records of TFRecord format, each a message {@code Event} of tensorboard/compat/proto/event.proto. A record
 * is its length (8 bytes), the masked CRC-32C of these bytes (4), the message, and the masked CRC-32C of the message (4);
 * numbers are little-endian. Every event is in the file when the call returns.
 */
final class EventFile implements AutoCloseable {
    private static final int MASK_DELTA = 0xa282ead8;
    private static final String VERSION = "brain.Event:2";
    private static final int START = 1;

    private static final int WALL_TIME = 1;
    private static final int STEP = 2;
    private static final int FILE_VERSION = 3;
    private static final int SUMMARY = 5;
    private static final int SESSION_LOG = 7;

    private final OutputStream out;

    /** Creates the file, which must not exist, and writes its version. */
    EventFile(Path file, double time) throws IOException {
        out = Files.newOutputStream(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        write(event(time, 0).text(FILE_VERSION, VERSION));
    }

    /** Tells readers to drop all events of {@code step} and later ones that are in older files of the directory. */
    void purge(double time, int step) throws IOException {
        write(event(time, step).message(SESSION_LOG, new ProtoMessage().number(1, START)));
    }

    void summary(double time, int step, ProtoMessage summary) throws IOException {
        write(event(time, step).message(SUMMARY, summary));
    }

    private static ProtoMessage event(double time, int step) {
        ProtoMessage event = new ProtoMessage().float64(WALL_TIME, time);
        return step == 0 ? event : event.number(STEP, step);
    }

    private void write(ProtoMessage event) throws IOException {
        byte[] message = event.bytes();
        ByteBuffer record = ByteBuffer.allocate(16 + message.length).order(ByteOrder.LITTLE_ENDIAN);
        record.putLong(message.length);
        record.putInt(masked(record.array(), Long.BYTES));
        record.put(message);
        record.putInt(masked(message, message.length));
        out.write(record.array());
        out.flush();
    }

    /** CRC-32C of the first bytes, masked: a CRC of data that contain CRCs would be weak. */
    private static int masked(byte[] bytes, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, length);
        return Integer.rotateRight((int) crc.getValue(), 15) + MASK_DELTA;
    }

    @Override
    public void close() throws IOException {
        out.close();
    }
}
