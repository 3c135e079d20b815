/* Under the pointer: every line's nearest point, one text for all of them. */
all('.chart').forEach((chart, at) => {
  const cross = chart.querySelector('.cross'), lines = data[at];
  hover(chart, (target) => {
    const band = target.closest('.band');
    return band ? band.dataset.tip : '';
  });
  chart.addEventListener('mousemove', (event) => {
    const box = chart.getBoundingClientRect(), x = (event.clientX - box.left) * 920 / box.width;
    const nearest = (points) => {
      let low = 0, high = points.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (points[middle][0] < x) low = middle + 1; else high = middle;
      }
      return low > 0 && x - points[low - 1][0] < points[low][0] - x ? low - 1 : low;
    };
    const found = lines.filter(([, points]) => points.length).map(([name, points]) => [name, points[nearest(points)]]);
    if (!found.length || event.target.closest('.band')) { cross.setAttribute('d', ''); return; }
    cross.setAttribute('d', `M${found[0][1][0]} 20V218`);
    const said = found.map(([name, point]) => `${name}: ${point[3]}`);
    showTip([found[0][1][2], ...said].join('\n'), event.clientX, event.clientY);
  });
  chart.addEventListener('mouseleave', () => { cross.setAttribute('d', ''); hideTip(); });
});
