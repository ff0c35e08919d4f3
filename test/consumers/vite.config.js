// No page and no preload: what is measured is the client.
export default {
  build: {
    modulePreload: false,
    outDir: "vite",
    rollupOptions: { input: "bundled.js" },
  },
};
