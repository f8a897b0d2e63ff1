"""One file or folder per wire protocol: reads its request, writes its reply, shapes its errors."""
